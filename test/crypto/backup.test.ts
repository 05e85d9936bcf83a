import { afterAll, describe, expect, it } from "vitest";
import {
  decryptBackedUpSession,
  describeBackup,
  encryptBackedUpSession,
  importBackupKey,
  parseBackupVersion,
} from "#crypto/backup.ts";
import { decodeBase64, encodeBase64 } from "#crypto/base64.ts";
import type { BackedUpSession } from "#crypto/exported-session.ts";
import { createPkEncryption, generatePkDecryption, importPkDecryption, type PkMessage } from "#crypto/pk.ts";
import { signJson, verifyJson } from "#crypto/signed-json.ts";
import { startPeer } from "#test/peers/crypto/client.ts";
import { b64, counting, expectHidden, flipped, providers, refusal } from "./support/formats.ts";

const rustSdk = startPeer("rust-sdk");
const libolm = startPeer("libolm");
afterAll(() => Promise.all([rustSdk.close(), libolm.close()]));

const session: BackedUpSession = {
  algorithm: "m.megolm.v1.aes-sha2",
  sessionKey: "AQAAAA",
  senderKey: "curve",
  senderClaimedKeys: { ed25519: "ed" },
  forwardingCurve25519KeyChain: [],
  sharedHistory: true,
};

describe.each(providers)("the key backup ($name)", (provider) => {
  const secret = counting(32, 77);
  const key = importPkDecryption(provider, secret);
  const encryption = createPkEncryption(provider, key.publicKey);

  it("gives back a session", () => {
    const data: unknown = JSON.parse(JSON.stringify(encryptBackedUpSession(encryption, session)));
    expect(decryptBackedUpSession(key, data)).toEqual({ session, macOver: "empty" });
  });

  // libolm's frozen bug, which the specification wrote down: the MAC is over the empty string.
  it("makes a MAC that does not change with the ciphertext", () => {
    const fixed = { ...provider, generateX25519: () => provider.importX25519(counting(32, 5)) };
    const one = encryptBackedUpSession(createPkEncryption(fixed, key.publicKey), session);
    const two = encryptBackedUpSession(createPkEncryption(fixed, key.publicKey), {
      ...session,
      senderKey: "other",
    });
    expect(one.mac).toBe(two.mac);
    expect(one.ciphertext).not.toBe(two.ciphertext);
    expect(decodeBase64(one.mac)).toHaveLength(8);
  });

  it("shows damage that the MAC cannot show by the padding or by what is inside, without crashing", () => {
    const data = encryptBackedUpSession(encryption, session);
    const ciphertext = decodeBase64(data.ciphertext);
    for (const at of [0, 20, ciphertext.length - 17, ciphertext.length - 1]) {
      const damaged = { ...data, ciphertext: encodeBase64(flipped(ciphertext, at)) };
      try {
        expect(decryptBackedUpSession(key, damaged).session).not.toEqual(session);
      } catch (error) {
        expect(error).toHaveProperty("code", expect.stringMatching(/^(PADDING|FORMAT)$/));
      }
    }
  });

  it("refuses a session under another key", () => {
    const data = encryptBackedUpSession(
      createPkEncryption(provider, generatePkDecryption(provider).publicKey),
      session,
    );
    expect(() => decryptBackedUpSession(key, data)).toThrow(refusal("MAC"));
  });

  it.each(["nonsense", "[]", '"text"', "{}", '{"__proto__":{"session_key":"x"}}'])(
    "refuses %s inside, and does not quote it",
    (inside) => {
      const data = encryption.encrypt(inside);
      expect(() => decryptBackedUpSession(key, data)).toThrow(refusal("FORMAT"));
      expect(() => decryptBackedUpSession(key, data)).not.toThrow(/nonsense/);
    },
  );

  it.each([null, [], {}, { ciphertext: "", mac: "" }, { ciphertext: 1, mac: 2, ephemeral: 3 }])(
    "refuses %j as session_data",
    (data) => {
      expect(() => decryptBackedUpSession(key, data)).toThrow(refusal("FORMAT"));
    },
  );

  it("describes a backup by its public key, to be signed and checked", () => {
    const version = describeBackup(key.publicKey);
    const master = provider.generateEd25519();
    const signed = { ...version, auth_data: signJson(version.auth_data, "@a:b", "ed25519:master", master) };
    const parsed = parseBackupVersion(JSON.parse(JSON.stringify({ ...signed, version: "1", count: 0 })));
    expect(parsed.publicKey).toBe(key.publicKey);
    const publicKey = provider.importEd25519Public(master.publicKey);
    expect(() => verifyJson(parsed.authData, "@a:b", "ed25519:master", publicKey)).not.toThrow();
    const other = { ...parsed.authData, public_key: encodeBase64(counting(32)) };
    expect(() => verifyJson(other, "@a:b", "ed25519:master", publicKey)).toThrow(refusal("SIGNATURE"));
  });

  // js-sdk's "is not fooled": an algorithm that is not this one must not be used as if it were.
  it("refuses backups of other algorithms, and keys of another length", () => {
    const version = describeBackup(key.publicKey);
    expect(() => parseBackupVersion({ ...version, algorithm: "m.megolm_backup.v2" })).toThrow(
      refusal("UNSUPPORTED"),
    );
    expect(() => parseBackupVersion({ ...version, auth_data: { public_key: "AAAA" } })).toThrow(
      refusal("FORMAT"),
    );
    expect(() => parseBackupVersion({ ...version, auth_data: [] })).toThrow(refusal("FORMAT"));
    expect(() => importBackupKey(provider, "AAAA")).toThrow(refusal("FORMAT"));
    expect(() => importBackupKey(provider, "no base64")).toThrow(refusal("BASE64"));
  });

  // matrix-sdk-crypto 0.7.1 logged its key.
  it("shows the decryption key nowhere", () => {
    const imported = importBackupKey(provider, b64(secret));
    expect(imported.publicKey).toBe(key.publicKey);
    expectHidden(imported, secret);
    expect(() => importBackupKey(provider, `${b64(secret)}*`)).not.toThrow(
      new RegExp(b64(secret).slice(0, 10)),
    );
  });

  it("agrees with matrix-sdk-crypto: it decrypts ours under its key, and we decrypt under its key", async () => {
    const theirs = await rustSdk.call<{ secret: string; publicKey: string; algorithm: string }>("backupKey");
    expect(importBackupKey(provider, theirs.secret).publicKey).toBe(theirs.publicKey);
    expect(describeBackup(theirs.publicKey).algorithm).toBe(theirs.algorithm);
    const data = encryptBackedUpSession(createPkEncryption(provider, theirs.publicKey), session);
    expect(JSON.parse(await rustSdk.call("backupDecrypt", theirs.secret, data))).toMatchObject({
      session_key: session.sessionKey,
      sender_claimed_keys: session.senderClaimedKeys,
    });
    expect(decryptBackedUpSession(importBackupKey(provider, theirs.secret), data).session).toEqual(session);
  });

  it("reads what libolm encrypts for it", async () => {
    const inside = JSON.stringify({
      algorithm: "a",
      session_key: "k",
      sender_key: "s",
      sender_claimed_keys: {},
    });
    const data = await libolm.call<PkMessage>("pkEncrypt", key.publicKey, inside);
    expect(decryptBackedUpSession(key, data)).toMatchObject({
      session: { sessionKey: "k" },
      macOver: "empty",
    });
  });
});
