// Fuzz targets for Olm messages. The receiver is put back after each input that it takes, so that every input meets the
// same state and a corpus line means the same for ever.
import { encodeBase64 } from "#crypto/base64.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { decodeMessage, encodeMessage } from "#crypto/olm/message.ts";
import type { OlmSession } from "#crypto/olm/session.ts";
import { pickleAccount, pickleSession, unpickleAccount, unpickleSession } from "#crypto/pickle/libolm.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { Broken, type Bytes, type MakeTarget, sameBytes, unchangedIfRefused } from "../harness.ts";

const KEY: Uint8Array = new Uint8Array(32).fill(1);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
const fromBase64 = (body: string): Bytes => new Uint8Array(Buffer.from(body, "base64"));

type Scene = {
  readonly bob: OlmAccount;
  readonly aliceIdentity: string;
  readonly preKeys: readonly Bytes[];
  /** A session of Bob's with two chains, skipped keys in each, and messages that he has not seen. */
  readonly session: OlmSession;
  readonly messages: readonly Bytes[];
};

const sceneOf = (provider: CryptoProvider): Scene => {
  const [alice, bob] = [OlmAccount.create(provider), OlmAccount.create(provider)];
  bob.generateOneTimeKeys(2);
  bob.generateFallbackKey();
  const keys = [...bob.unpublishedOneTimeKeys(), bob.unpublishedFallbackKey()];
  const preKeys = keys.flatMap((key) => {
    const session = alice.createOutboundSession(bob.curve25519, key?.key ?? "");
    return [session.encrypt("first"), session.encrypt("second")].map(({ body }) => fromBase64(body));
  });
  const { session, messages } = talkOf(provider, alice);
  return { bob, aliceIdentity: alice.curve25519, preKeys, session, messages };
};

const talkOf = (provider: CryptoProvider, alice: OlmAccount): { session: OlmSession; messages: Bytes[] } => {
  const bob = OlmAccount.create(provider);
  bob.generateOneTimeKeys(1);
  const [key] = bob.unpublishedOneTimeKeys();
  const theirs = alice.createOutboundSession(bob.curve25519, key?.key ?? "");
  const { session } = bob.createInboundSession(alice.curve25519, theirs.encrypt("hello").body);
  theirs.decrypt(session.encrypt("hello"));
  const first = [theirs.encrypt("one"), theirs.encrypt("two"), theirs.encrypt("three")];
  session.decrypt(first[2] ?? theirs.encrypt("three"));
  theirs.decrypt(session.encrypt("again"));
  const second = [theirs.encrypt("four"), theirs.encrypt("five")];
  session.decrypt(second[1] ?? theirs.encrypt("five"));
  theirs.decrypt(session.encrypt("and again"));
  const unseen = [
    ...first.slice(0, 2),
    ...second.slice(0, 1),
    theirs.encrypt("six"),
    theirs.encrypt("seven"),
  ];
  return { session, messages: unseen.map(({ body }) => fromBase64(body)) };
};

const PLAINTEXTS = new Set(["first", "second"]);

export const preKeyTarget: MakeTarget = (provider) => {
  const { bob, aliceIdentity, preKeys } = sceneOf(provider);
  const before = pickleAccount(provider, bob, KEY);
  let account = bob;
  return {
    name: "olm-prekey",
    seeds: preKeys,
    feed: (input) =>
      unchangedIfRefused(
        () => pickleAccount(provider, account, KEY),
        () => {
          const got = text(account.createInboundSession(aliceIdentity, encodeBase64(input)).plaintext);
          // What has no MAC (order of the outer fields, unknown ones) may differ; what was said may not.
          if (!PLAINTEXTS.has(got)) throw new Broken("a pre-key message says what nobody wrote");
          account = unpickleAccount(provider, before, KEY);
          return got;
        },
      ),
  };
};

export const olmMessageTarget: MakeTarget = (provider) => {
  const { session, messages } = sceneOf(provider);
  const before = pickleSession(provider, session, KEY);
  const genuine = new Set(messages.map((bytes) => encodeBase64(bytes)));
  let bob = session;
  const decode = (input: Bytes): void => {
    const { ratchetKey, index, ciphertext, mac } = decodeMessage(input);
    const again = encodeMessage(ratchetKey, index, ciphertext);
    again.set(mac, again.length - mac.length);
    sameBytes(input, again, "Olm message");
  };
  return {
    name: "olm-message",
    seeds: messages,
    feed: (input) =>
      unchangedIfRefused(
        () => pickleSession(provider, bob, KEY),
        () => {
          decode(input);
          const body = encodeBase64(input);
          const got = text(bob.decrypt({ type: 1, body }));
          if (!genuine.has(body)) throw new Broken("a forged Olm message was taken");
          bob = unpickleSession(provider, before, KEY);
          return got;
        },
      ),
  };
};
