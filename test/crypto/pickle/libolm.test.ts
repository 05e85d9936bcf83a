// Pickles that libolm wrote, read by ours and written again byte for byte (differential/ does so with libolm at the other end).
import { describe, expect, it } from "vitest";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { verifySignature } from "#crypto/olm/signature.ts";
import {
  pickleAccount,
  pickleInboundGroup,
  pickleOutboundGroup,
  picklePkDecryption,
  pickleSession,
  unpickleAccount,
  unpickleInboundGroup,
  unpickleOutboundGroup,
  unpicklePkDecryption,
  unpickleSession,
} from "#crypto/pickle/libolm.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { PROVIDERS, toHex } from "#test/crypto/provider/support.ts";
import { b64, text } from "#test/crypto/support/formats.ts";
import { KEY, LIBOLM } from "./support.ts";

describe.each(PROVIDERS)("libolm's pickles on the %s provider", (_name, provider) => {
  const bob = (): OlmAccount => unpickleAccount(provider, LIBOLM.bob.pickle, KEY);

  it("an account has its keys, and signs with its expanded key as libolm does", () => {
    const account = bob();
    expect([account.curve25519, account.ed25519]).toEqual([LIBOLM.bob.curve25519, LIBOLM.bob.ed25519]);
    expect(account.sign(LIBOLM.bob.signed)).toBe(LIBOLM.bob.signature);
    verifySignature(provider, account.ed25519, LIBOLM.bob.signed, LIBOLM.bob.signature);
  });

  it("an account has its one-time keys and fallback keys, published ones apart", () => {
    const account = bob();
    const unpublished = account.unpublishedOneTimeKeys();
    expect(unpublished.map(({ key }) => key).sort()).toEqual([...LIBOLM.bob.oneTimeKeys].sort());
    expect(account.storedOneTimeKeyCount).toBe(4);
    expect(account.unpublishedFallbackKey()?.key).toBe(LIBOLM.bob.fallbackKey);
    expect(account.exportState().previousFallbackKey).not.toBeNull();
  });

  it("an account is written as libolm wrote it", () => {
    expect(pickleAccount(provider, bob(), KEY)).toBe(LIBOLM.bob.pickle);
    const alice = unpickleAccount(provider, LIBOLM.alice.pickle, KEY);
    expect(pickleAccount(provider, alice, KEY)).toBe(LIBOLM.alice.pickle);
  });

  it("an account begins the session that a message under its one-time key asks for", () => {
    const { session, plaintext } = bob().createInboundSession(
      LIBOLM.alice.curve25519,
      LIBOLM.bob.preKeyMessage,
    );
    expect([text(plaintext), session.sessionId]).toEqual(["first", LIBOLM.session.id]);
  });

  it("a session that has sent only reads its first answer", () => {
    const session = unpickleSession(provider, LIBOLM.session.aliceUnanswered, KEY);
    expect([session.sessionId, session.hasReceived]).toEqual([LIBOLM.session.id, false]);
    expect(text(session.decrypt({ type: 1, body: LIBOLM.session.answer }))).toBe("answer");
  });

  it("a session that has to answer keeps its skipped keys", () => {
    const session = unpickleSession(provider, LIBOLM.session.bobInactive, KEY);
    expect(session.encrypt("x").type).toBe(1);
    expect(text(session.decrypt({ type: 0, body: LIBOLM.session.skipped }))).toBe("skipped");
  });

  it("a session that has answered reads what follows under a new ratchet key", () => {
    const session = unpickleSession(provider, LIBOLM.session.bobActive, KEY);
    expect(text(session.decrypt({ type: 1, body: LIBOLM.session.next }))).toBe("next");
    expect(text(session.decrypt({ type: 0, body: LIBOLM.session.skipped }))).toBe("skipped");
  });

  it.each(["aliceUnanswered", "bobInactive", "bobActive"] as const)(
    "a session is written as libolm wrote it: %s",
    (name) => {
      const session = unpickleSession(provider, LIBOLM.session[name], KEY);
      expect(pickleSession(provider, session, KEY)).toBe(LIBOLM.session[name]);
    },
  );

  it("an outbound group session goes on where it was", () => {
    const session = unpickleOutboundGroup(provider, LIBOLM.group.outbound, KEY);
    expect([session.sessionId, session.messageIndex]).toEqual([LIBOLM.group.id, 3]);
    expect(session.sessionKey()).toBe(LIBOLM.group.sessionKey);
    expect(pickleOutboundGroup(provider, session, KEY)).toBe(LIBOLM.group.outbound);
    const inbound = MegolmInboundSession.fromSessionKey(provider, session.sessionKey());
    expect(inbound.decrypt(session.encrypt("four"))).toMatchObject({ messageIndex: 3 });
  });

  it("an inbound group session reads and exports", () => {
    const session = unpickleInboundGroup(provider, LIBOLM.group.inbound, KEY);
    expect([session.sessionId, session.firstKnownIndex, session.signingKeyVerified]).toEqual([
      LIBOLM.group.id,
      0,
      true,
    ]);
    expect(pickleInboundGroup(provider, session, KEY)).toBe(LIBOLM.group.inbound);
    expect(session.exportAt(2)).toBe(LIBOLM.group.exportedAt2);
    expect(LIBOLM.group.messages.map((body) => text(session.decrypt(body).plaintext))).toEqual([
      "one",
      "two",
      "three",
    ]);
  });

  it("a PkDecryption is its key pair", () => {
    const pair = unpicklePkDecryption(provider, LIBOLM.pk.pickle, KEY);
    expect([b64(pair.publicKey).replace("=", ""), toHex(pair.exportSecret())]).toEqual([
      LIBOLM.pk.publicKey,
      LIBOLM.pk.secret,
    ]);
    expect(picklePkDecryption(provider, pair, KEY)).toBe(LIBOLM.pk.pickle);
  });
});

describe("an account that libolm never had", () => {
  it("is written with its seed expanded, and signs the same afterwards", () => {
    const account = unpickleAccount(nodeProvider, LIBOLM.bob.pickle, KEY);
    const seeded = { ...account.exportState(), signingKey: nodeProvider.generateEd25519() };

    const own = new OlmAccount(nodeProvider, seeded);
    const back = unpickleAccount(nodeProvider, pickleAccount(nodeProvider, own, KEY), KEY);
    expect(back.ed25519).toBe(own.ed25519);
    expect(back.sign("x")).toBe(own.sign("x"));
    expect(back.exportState().signingKey.form).toBe("expanded");
  });
});
