// A naive double ratchet, written down from the specification with nothing but node:crypto: it keeps every key it ever made
// and derives one step at a time. What ours encrypts it decrypts, and the other way round.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decodeBase64 } from "#crypto/base64.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { decodeMessage, decodePreKeyMessage, encodeMessage } from "#crypto/olm/message.ts";
import { decryptInChain, newReceiverChain } from "#crypto/olm/receiver-chain.ts";
import { nobleProvider } from "#crypto/provider/noble.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { text, utf8 } from "#test/crypto/support/formats.ts";

const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array =>
  new Uint8Array(createHmac("sha256", key).update(data).digest());
const hkdf = (salt: Uint8Array, secret: Uint8Array, info: string, length: number): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", secret, salt, info, length));

/** M(j) of a chain, by j steps from its beginning. */
const messageKey = (chainKey: Uint8Array, index: number): Uint8Array => {
  let key = chainKey;
  for (let i = 0; i < index; i += 1) key = hmac(key, Uint8Array.of(2));
  return hmac(key, Uint8Array.of(1));
};

const naiveEncrypt = (
  chainKey: Uint8Array,
  index: number,
  ratchetKey: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array => {
  const keys = hkdf(new Uint8Array(32), messageKey(chainKey, index), "OLM_KEYS", 80);
  const cipher = createCipheriv("aes-256-cbc", keys.subarray(0, 32), keys.subarray(64));
  const bytes = encodeMessage(ratchetKey, index, Buffer.concat([cipher.update(plaintext), cipher.final()]));
  const end = bytes.length - 8;
  bytes.set(hmac(keys.subarray(32, 64), bytes.subarray(0, end)).subarray(0, 8), end);
  return bytes;
};

const naiveDecrypt = (chainKey: Uint8Array, bytes: Uint8Array): string => {
  const message = decodeMessage(bytes);
  const keys = hkdf(new Uint8Array(32), messageKey(chainKey, message.index), "OLM_KEYS", 80);
  expect(hmac(keys.subarray(32, 64), message.authenticated).subarray(0, 8)).toEqual(
    new Uint8Array(message.mac),
  );
  const decipher = createDecipheriv("aes-256-cbc", keys.subarray(0, 32), keys.subarray(64));
  return Buffer.concat([decipher.update(message.ciphertext), decipher.final()]).toString();
};

describe("beside a naive double ratchet", () => {
  it("a receiver chain decrypts what the naive one encrypts, at any index within reach", () => {
    const chainKey = new Uint8Array(32).fill(1);
    const ratchetKey = new Uint8Array(32).fill(2);
    let chain = newReceiverChain(ratchetKey, chainKey);
    for (const index of [0, 1, 7, 6, 50, 49, 11, 10, 2050, 2049, 2011, 2010]) {
      const decoded = decodeMessage(naiveEncrypt(chainKey, index, ratchetKey, utf8(`message ${index}`)));
      const next = decryptInChain(nodeProvider, chain, decoded);
      expect(text(next.plaintext)).toBe(`message ${index}`);
      chain = next.chain;
    }
    expect(chain.chain.index).toBe(2051);
    expect(chain.skipped).toHaveLength(37);
  });

  it("a session's first messages are what the triple Diffie-Hellman gives", () => {
    const identityA = nobleProvider.generateX25519();
    const bob = { identity: nobleProvider.generateX25519(), oneTime: nobleProvider.generateX25519() };
    const state = OlmAccount.create(nodeProvider).exportState();
    const secret = identityA.exportSecret();
    const alice = new OlmAccount(nodeProvider, { ...state, identityKey: nodeProvider.importX25519(secret) });
    const [identityB, oneTimeB] = [bob.identity, bob.oneTime].map((pair) =>
      Buffer.from(pair.publicKey).toString("base64"),
    );
    const session = alice.createOutboundSession(identityB!, oneTimeB!);
    for (const expected of ["first", "second", "third"]) {
      const preKey = decodePreKeyMessage(decodeBase64(session.encrypt(expected).body));
      const shared = Buffer.concat([
        bob.oneTime.agree(preKey.identityKey),
        bob.identity.agree(preKey.baseKey),
        bob.oneTime.agree(preKey.baseKey),
      ]);
      const root = hkdf(new Uint8Array(32), shared, "OLM_ROOT", 64);
      const { authenticated, mac } = preKey.message;
      expect(naiveDecrypt(root.subarray(32), Uint8Array.of(...authenticated, ...mac))).toBe(expected);
    }
  });

  it("an answer follows from the root key and the new ratchet key", () => {
    const [alice, bob] = [OlmAccount.create(nodeProvider), OlmAccount.create(nodeProvider)];
    const { key } = bob.generateOneTimeKeys(1).created[0]!;
    const aliceSession = alice.createOutboundSession(bob.curve25519, key);
    const { session: bobSession } = bob.createInboundSession(
      alice.curve25519,
      aliceSession.encrypt("x").body,
    );
    const before = aliceSession.exportState().ratchet;
    const answer = decodeBase64(bobSession.encrypt("answer").body);
    if (before.kind !== "active") throw new Error("expected an active ratchet");
    const shared = before.ratchetKey.agree(decodeMessage(answer).ratchetKey);
    const derived = hkdf(before.rootKey, shared, "OLM_RATCHET", 64);
    expect(naiveDecrypt(derived.subarray(32), answer)).toBe("answer");
    aliceSession.decrypt({ type: 1, body: bobSession.encrypt("y").body });
    expect(aliceSession.exportState().ratchet.rootKey).toEqual(derived.subarray(0, 32));
  });
});
