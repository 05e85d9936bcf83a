// Fuzz targets for the formats around the ratchets: base64, canonical JSON, attachments, key files, backup, secrets.
import { decryptAttachment, encryptAttachment } from "#crypto/attachments.ts";
import { decryptBackedUpSession, encryptBackedUpSession } from "#crypto/backup.ts";
import { decodeBase64, decodeBase64Url, encodeBase64, encodeBase64Url } from "#crypto/base64.ts";
import { canonicalJson } from "#crypto/canonical-json.ts";
import { DEHYDRATION_ALGORITHM, openDehydratedDevice, sealDehydratedDevice } from "#crypto/dehydrated.ts";
import { CryptoError } from "#crypto/errors.ts";
import { type ExportedSession, encodeBackedUpSession } from "#crypto/exported-session.ts";
import { decryptKeyFile } from "#crypto/key-export.ts";
import { createPkEncryption, importPkDecryption } from "#crypto/pk.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { encodeQrVerification, parseQrVerification } from "#crypto/qr.ts";
import { decodeRecoveryKey, encodeRecoveryKey } from "#crypto/recovery-key.ts";
import { decryptSecret, encryptSecret } from "#crypto/secret-storage.ts";
import { Broken, type Bytes, type MakeTarget, sameBytes } from "../harness.ts";

const utf8 = (text: string): Bytes => new Uint8Array(Buffer.from(text, "utf8"));
// Every byte is one character: no input is lost on the way, and what is not ASCII reaches the decoders too.
const latin1 = (input: Bytes): string => Buffer.from(input).toString("latin1");
const json = (value: unknown): Bytes => utf8(JSON.stringify(value));

/** What is no JSON never reaches a decoder of objects: it is refused as the callers refuse it. */
const parsed = (input: Bytes): unknown => {
  try {
    return JSON.parse(Buffer.from(input).toString("utf8"));
  } catch {
    throw new CryptoError("FORMAT", "no JSON");
  }
};

const demand = (holds: boolean, what: string): void => {
  if (!holds) throw new Broken(what);
};

export const base64Target: MakeTarget = () => ({
  name: "base64",
  seeds: ["", "AA", "AAA", "AAAA", "AA==", "AAA=", "+/+/", "A".repeat(200), `${"Zm9v".repeat(60)}Zg==`].map(
    utf8,
  ),
  feed: (input) => {
    const text = latin1(input);
    const bytes = decodeBase64(text);
    demand(encodeBase64(bytes) === text.replace(/=+$/, ""), "base64: two texts for the same bytes");
    demand(Buffer.from(bytes).equals(Buffer.from(text, "base64")), "base64: not what Node reads");
    return encodeBase64(bytes);
  },
});

export const base64UrlTarget: MakeTarget = () => ({
  name: "base64url",
  seeds: ["", "AA", "AAA", "_-_-", "A".repeat(200)].map(utf8),
  feed: (input) => {
    const text = latin1(input);
    const bytes = decodeBase64Url(text);
    demand(encodeBase64Url(bytes) === text.replace(/=+$/, ""), "base64url: two texts for the same bytes");
    return encodeBase64Url(bytes);
  },
});

const JSON_SEEDS = [
  { b: 1, a: [true, null, { c: "d" }], "\u00e9": "\u{1f600}", "\uffff": 1, "\u{10000}": 2 },
  { one: 9007199254740991, two: -9007199254740991, "": "", __proto__x: {}, "\n": '\u0007\\"/' },
  [[[[[[[[]]]]]]]],
];

export const canonicalJsonTarget: MakeTarget = () => ({
  name: "canonical-json",
  seeds: [...JSON_SEEDS.map(json), utf8('{"__proto__":{"a":1},"a":-0,"b":1.0,"c":1e3}')],
  feed: (input) => {
    const text = canonicalJson(parsed(input));
    demand(canonicalJson(JSON.parse(text)) === text, "canonical JSON: writing twice gives another text");
    return text;
  },
});

export const attachmentTarget: MakeTarget = (provider) => {
  const { ciphertext, info } = encryptAttachment(provider, utf8("a picture"));
  return {
    name: "attachment-info",
    seeds: [json(info), json({ ...info, url: "mxc://a/b", mimetype: "image/png" })],
    feed: (input) => encodeBase64(decryptAttachment(provider, ciphertext, parsed(input))),
  };
};

const SESSION: ExportedSession = {
  algorithm: "m.megolm.v1.aes-sha2",
  sessionKey: "AQAAAAA",
  senderKey: "c2VuZGVy",
  senderClaimedKeys: { ed25519: "a2V5" },
  forwardingCurve25519KeyChain: [],
  sharedHistory: true,
  roomId: "!room:example.org",
  sessionId: "c2Vzc2lvbg",
};

// A file that asks for many rounds is refused by this limit, before any work; honest files ask for more than a fuzzer has time for.
const FUZZ_ROUNDS_MAX = 2_000;

/** A key file whose head says few rounds, with the MAC of that: written by hand, since ours writes no fewer than 100,000. */
const keyFileOf = (provider: CryptoProvider, rounds: number): string => {
  const salt = provider.random(16);
  const iv = provider.random(16);
  iv[8] = (iv[8] ?? 0) & 0x7f;
  const count = Buffer.alloc(4);
  count.writeUInt32BE(rounds);
  const keys = provider.pbkdf2Sha512(utf8("pass"), salt, rounds, 64);
  const text = json([{ ...SESSION, session_key: "AQ", sender_key: "", room_id: "!r", session_id: "s" }]);
  const body = Buffer.concat([
    Uint8Array.of(1),
    salt,
    iv,
    count,
    provider.aesCtr(keys.subarray(0, 32), iv, text),
  ]);
  const mac = provider.hmacSha256(keys.subarray(32), body);
  const lines = Buffer.concat([body, mac]).toString("base64");
  return `-----BEGIN MEGOLM SESSION DATA-----\n${lines}\n-----END MEGOLM SESSION DATA-----\n`;
};

export const keyFileTarget: MakeTarget = (provider) => ({
  name: "key-file",
  seeds: [utf8(keyFileOf(provider, 1)), utf8(keyFileOf(provider, 1_000))],
  feed: (input) => {
    const got = decryptKeyFile(provider, latin1(input), "pass", { roundsMax: FUZZ_ROUNDS_MAX });
    return `${got.sessions.length} and ${got.refused.length}`;
  },
});

/** The JSON inside a key file, which a wrong client can have written: sealed anew around each input. */
export const keyFileContentTarget: MakeTarget = (provider) => {
  const object = {
    algorithm: SESSION.algorithm,
    session_key: SESSION.sessionKey,
    sender_key: SESSION.senderKey,
    sender_claimed_keys: SESSION.senderClaimedKeys,
    forwarding_curve25519_key_chain: ["a"],
    shared_history: true,
    room_id: SESSION.roomId,
    session_id: SESSION.sessionId,
  };
  return {
    name: "key-file-content",
    seeds: [json([object]), json([object, {}, object])],
    feed: (input) => {
      const salt = new Uint8Array(16);
      const keys = provider.pbkdf2Sha512(utf8("pass"), salt, 1, 64);
      const head = Buffer.concat([Uint8Array.of(1), salt, new Uint8Array(16), Uint8Array.of(0, 0, 0, 1)]);
      const body = Buffer.concat([head, provider.aesCtr(keys.subarray(0, 32), new Uint8Array(16), input)]);
      const sealed = Buffer.concat([body, provider.hmacSha256(keys.subarray(32), body)]).toString("base64");
      const file = `-----BEGIN MEGOLM SESSION DATA-----\n${sealed}\n-----END MEGOLM SESSION DATA-----`;
      const got = decryptKeyFile(provider, file, "pass");
      return JSON.stringify([got.sessions, got.refused.map(({ index }) => index)]);
    },
  };
};

export const backupTarget: MakeTarget = (provider) => {
  const decryption = importPkDecryption(provider, new Uint8Array(32).fill(7));
  const encryption = createPkEncryption(provider, decryption.publicKey);
  return {
    name: "backup-data",
    seeds: [json(encryptBackedUpSession(encryption, SESSION))],
    feed: (input) => JSON.stringify(decryptBackedUpSession(decryption, parsed(input))),
  };
};

/** The JSON inside the backup, which whoever knows the public key can have written: encrypted anew around each input. */
export const backupContentTarget: MakeTarget = (provider) => {
  const decryption = importPkDecryption(provider, new Uint8Array(32).fill(7));
  const encryption = createPkEncryption(provider, decryption.publicKey);
  return {
    name: "backup-content",
    seeds: [json(encodeBackedUpSession(SESSION)), json({ ...encodeBackedUpSession(SESSION), more: [1] })],
    feed: (input) => JSON.stringify(decryptBackedUpSession(decryption, encryption.encrypt(input)).session),
  };
};

export const secretTarget: MakeTarget = (provider) => {
  const key = new Uint8Array(32).fill(9);
  return {
    name: "secret-storage",
    seeds: [json(encryptSecret(provider, key, "m.megolm_backup.v1", "a secret"))],
    feed: (input) => decryptSecret(provider, key, "m.megolm_backup.v1", parsed(input)),
  };
};

export const recoveryKeyTarget: MakeTarget = () => ({
  name: "recovery-key",
  seeds: [utf8(encodeRecoveryKey(new Uint8Array(32).fill(3))), utf8(encodeRecoveryKey(new Uint8Array(32)))],
  feed: (input) => {
    const key = decodeRecoveryKey(latin1(input));
    demand(
      encodeRecoveryKey(key).replace(/\s/g, "") === latin1(input).replace(/\s/g, ""),
      "recovery key: two texts for one key",
    );
    return encodeBase64(key);
  },
});

export const qrTarget: MakeTarget = () => {
  const [first, second, secret] = [
    new Uint8Array(32).fill(1),
    new Uint8Array(32).fill(2),
    new Uint8Array(16).fill(3),
  ];
  const common = { flowId: "$event:example.org", secret };
  return {
    name: "qr",
    seeds: [
      encodeQrVerification({ mode: "other_user", ownMasterKey: first, theirMasterKey: second, ...common }),
      encodeQrVerification({ mode: "self_trusting", masterKey: first, otherDeviceKey: second, ...common }),
      encodeQrVerification({ mode: "self_untrusting", ownDeviceKey: first, masterKey: second, ...common }),
    ].map((bytes) => new Uint8Array(bytes)),
    feed: (input) => {
      sameBytes(input, encodeQrVerification(parseQrVerification(input)), "QR code");
      return encodeBase64(input);
    },
  };
};

/** The secret keys inside a dehydrated device: sealed anew around each input. */
export const dehydratedTarget: MakeTarget = (provider) => {
  const key = new Uint8Array(32).fill(5);
  const nonce = new Uint8Array(12);
  const one = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
  const device = { curve25519: one(1), ed25519: one(2), oneTimeKeys: [one(3), one(4)] };
  const raw = [null, one(6)].map((fallbackKey) => {
    const data = sealDehydratedDevice(provider, key, { ...device, fallbackKey });
    return provider.open(key, decodeBase64(data.nonce), decodeBase64(data.device_pickle), new Uint8Array(0));
  });
  return {
    name: "dehydrated",
    seeds: raw.map((bytes) => new Uint8Array(bytes)),
    feed: (input) => {
      const sealed = provider.seal(key, nonce, input, new Uint8Array(0));
      const keys = openDehydratedDevice(provider, key, {
        algorithm: DEHYDRATION_ALGORITHM,
        device_pickle: encodeBase64(sealed),
        nonce: encodeBase64(nonce),
      });
      return `${keys.oneTimeKeys.length} ${keys.fallbackKey !== null}`;
    },
  };
};
