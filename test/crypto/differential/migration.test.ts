// What Element would do with a store of ours in libolm's format: matrix-sdk-crypto migrates it.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { pickleAccount, pickleInboundGroup, pickleSession } from "#crypto/pickle/libolm.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { MigrationAnswer, MigrationInput } from "./migration.ts";

const CHILD = fileURLToPath(new URL("./migration.ts", import.meta.url));
const KEY = "key of the pickles";

const migrate = (input: MigrationInput): MigrationAnswer =>
  // The child writes a MigrationAnswer, and nothing else.
  JSON.parse(
    execFileSync(process.execPath, [CHILD], {
      input: JSON.stringify(input),
      encoding: "utf8",
      stdio: "pipe",
    }),
  ) as MigrationAnswer;

const store = (): { account: OlmAccount; group: MegolmInboundSession; input: MigrationInput } => {
  const key = Buffer.from(KEY);
  const [account, peer] = [OlmAccount.create(nodeProvider), OlmAccount.create(nodeProvider)];
  account.generateOneTimeKeys(5);
  account.markKeysAsPublished();
  account.generateFallbackKey();
  peer.generateOneTimeKeys(1);
  const session = account.createOutboundSession(peer.curve25519, peer.unpublishedOneTimeKeys()[0]?.key ?? "");
  const outbound = MegolmOutboundSession.create(nodeProvider);
  outbound.encrypt("before the key was given");
  const group = MegolmInboundSession.fromSessionKey(nodeProvider, outbound.sessionKey());
  const input = {
    key: KEY,
    account: pickleAccount(nodeProvider, account, key),
    session: pickleSession(nodeProvider, session, key),
    group: pickleInboundGroup(nodeProvider, group, key),
    senderKey: peer.curve25519,
    signingKey: peer.ed25519,
  };
  return { account, group, input };
};

describe("matrix-sdk-crypto's migration", () => {
  it("takes an account, an Olm session and a Megolm session out of our libolm pickles", () => {
    const { account, group, input } = store();
    const { curve25519, ed25519, sessions } = migrate(input);
    expect([curve25519, ed25519]).toEqual([account.curve25519, account.ed25519]);
    expect(sessions).toMatchObject([
      { room_id: "!room:example.org", session_id: group.sessionId, session_key: group.exportAt(1) },
    ]);
  });

  it("refuses them under another key", () => {
    const { input } = store();
    expect(() => migrate({ ...input, key: "another" })).toThrow();
  });
});
