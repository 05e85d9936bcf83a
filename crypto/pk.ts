// libolm's public-key objects: PkEncryption and PkDecryption (ECIES over X25519, the scheme of the key backup
// m.megolm_backup.v1.curve25519-aes-sha2) and PkSigning (an Ed25519 key made from a seed: cross-signing keys).
// Specification: Server-side key backups, steps 2 to 5 of the backup algorithm.
//
// shared = X25519(ephemeral, recipient); HKDF-SHA-256(salt 0, shared, info "", 80) -> AES key 32 | MAC key 32 | IV 16
// ciphertext = AES-256-CBC with PKCS#7; mac = HMAC-SHA-256(MAC key, EMPTY STRING), its first 8 bytes.
//
// The MAC over nothing is a bug of libolm that the specification froze: it shows that the key fits, and says nothing about the ciphertext.
// So a message that decrypts is NOT authenticated, whoever holds the public key can write one, and its bytes can be altered.
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { CryptoError } from "./errors.ts";
import type { CryptoProvider, X25519KeyPair } from "./provider.ts";
import { encodeUtf8, requireBytes } from "./shape.ts";

const KEY_BYTES = 32;
const MAC_BYTES = 8;
const NOTHING: Uint8Array = new Uint8Array(0);

/** An encrypted message, each part unpadded base64. */
export interface PkMessage {
  /** AES-256-CBC, at least one block of 16 bytes. */
  readonly ciphertext: string;
  /** 8 bytes. */
  readonly mac: string;
  /** The sender's ephemeral X25519 public key, 32 bytes. */
  readonly ephemeral: string;
}

/**
 * What the MAC of a message was made over: `empty` as everyone writes it (and the specification says), or `ciphertext` as it was meant
 * to be and as a few old backups have it. Only the second says anything about the ciphertext.
 */
export type PkMacOver = "empty" | "ciphertext";

/** Encrypts for one recipient. Holds no secret. */
export interface PkEncryption {
  /** The recipient's X25519 public key, unpadded base64. */
  readonly recipientKey: string;
  encrypt(plaintext: Uint8Array | string): PkMessage;
}

/** Decrypts what was encrypted for its public key. `JSON.stringify` and `util.inspect` show the public key only. */
export interface PkDecryption {
  /** Unpadded base64. */
  readonly publicKey: string;
  /**
   * @throws CryptoError BASE64, FORMAT (a key or MAC of the wrong length), SMALL_ORDER (an ephemeral key that contributes
   *   nothing), MAC (another key, or damaged), PADDING (damaged ciphertext: the usual MAC cannot show that).
   */
  decrypt(message: PkMessage): { readonly plaintext: Uint8Array; readonly macOver: PkMacOver };
  /** A copy of the 32 secret bytes. The caller fills it with zeros when done. */
  exportSecret(): Uint8Array;
}

/** An Ed25519 key from a 32-byte seed, as the cross-signing keys are. Shows its public key only. */
export interface PkSigning {
  /** Unpadded base64. */
  readonly publicKey: string;
  /** The signature of a text (its UTF-8 bytes) or of bytes, 64 bytes as unpadded base64. */
  sign(message: Uint8Array | string): string;
  /** A copy of the 32-byte seed. The caller fills it with zeros when done. */
  exportSeed(): Uint8Array;
}

/** @throws CryptoError BASE64 or FORMAT when the key is not 32 bytes. A key of small order is refused by each `encrypt`. */
export function createPkEncryption(provider: CryptoProvider, recipientKey: string): PkEncryption {
  const recipient = requireBytes(decodeBase64(recipientKey), KEY_BYTES, "recipient key");
  return Object.freeze({
    recipientKey: encodeBase64(recipient),
    encrypt: (plaintext: Uint8Array | string): PkMessage => {
      const bytes = typeof plaintext === "string" ? encodeUtf8(plaintext) : plaintext;
      return encryptFor(provider, recipient, bytes);
    },
  });
}

/** With a new key from the provider's generator. */
export function generatePkDecryption(provider: CryptoProvider): PkDecryption {
  return createPkDecryption(provider, provider.generateX25519());
}

/** With a key of ours: 32 secret bytes, copied. @throws RangeError when there are not 32 of them */
export function importPkDecryption(provider: CryptoProvider, secret: Uint8Array): PkDecryption {
  return createPkDecryption(provider, provider.importX25519(secret));
}

/** With a new seed. */
export function generatePkSigning(provider: CryptoProvider): PkSigning {
  const seed = provider.random(KEY_BYTES);
  const signing = importPkSigning(provider, seed);
  seed.fill(0);
  return signing;
}

/** From a 32-byte seed, copied. @throws RangeError when there are not 32 bytes */
export function importPkSigning(provider: CryptoProvider, seed: Uint8Array): PkSigning {
  const key = provider.importEd25519(seed);
  return Object.freeze({
    publicKey: encodeBase64(key.publicKey),
    sign: (message: Uint8Array | string): string =>
      encodeBase64(key.sign(typeof message === "string" ? encodeUtf8(message) : message)),
    exportSeed: (): Uint8Array => key.exportSecret(),
  });
}

/** With a key pair that the provider already holds, as unpicklePkDecryption gives it. */
export function createPkDecryption(provider: CryptoProvider, key: X25519KeyPair): PkDecryption {
  return Object.freeze({
    publicKey: encodeBase64(key.publicKey),
    decrypt: (message: PkMessage) => decryptWith(provider, key, message),
    exportSecret: (): Uint8Array => key.exportSecret(),
  });
}

function encryptFor(provider: CryptoProvider, recipient: Uint8Array, plaintext: Uint8Array): PkMessage {
  const ephemeral = provider.generateX25519();
  const keys = deriveKeys(provider, ephemeral.agree(recipient));
  try {
    return {
      ciphertext: encodeBase64(provider.aesCbcEncrypt(keys.aes, keys.iv, plaintext)),
      mac: encodeBase64(macOver(provider, keys, NOTHING)),
      ephemeral: encodeBase64(ephemeral.publicKey),
    };
  } finally {
    keys.all.fill(0);
  }
}

function decryptWith(
  provider: CryptoProvider,
  key: X25519KeyPair,
  message: PkMessage,
): { readonly plaintext: Uint8Array; readonly macOver: PkMacOver } {
  const ciphertext = decodeBase64(message.ciphertext);
  const mac = requireBytes(decodeBase64(message.mac), MAC_BYTES, "MAC");
  const keys = deriveKeys(provider, key.agree(decodeBase64(message.ephemeral)));
  try {
    const over = whatMacCovers(provider, keys, mac, ciphertext);
    return { plaintext: provider.aesCbcDecrypt(keys.aes, keys.iv, ciphertext), macOver: over };
  } finally {
    keys.all.fill(0);
  }
}

interface PkKeys {
  /** The bytes that the other three are views of, to be filled with zeros. */
  readonly all: Uint8Array;
  readonly aes: Uint8Array;
  readonly mac: Uint8Array;
  readonly iv: Uint8Array;
}

function deriveKeys(provider: CryptoProvider, shared: Uint8Array): PkKeys {
  const all = provider.hkdfSha256(NOTHING, shared, NOTHING, 80);
  shared.fill(0);
  return { all, aes: all.subarray(0, 32), mac: all.subarray(32, 64), iv: all.subarray(64) };
}

function macOver(provider: CryptoProvider, keys: PkKeys, data: Uint8Array): Uint8Array {
  return provider.hmacSha256(keys.mac, data).subarray(0, MAC_BYTES);
}

/** Tries the frozen MAC, then the one that was meant. @throws CryptoError MAC when it is neither */
function whatMacCovers(
  provider: CryptoProvider,
  keys: PkKeys,
  mac: Uint8Array,
  ciphertext: Uint8Array,
): PkMacOver {
  if (provider.equal(mac, macOver(provider, keys, NOTHING))) return "empty";
  if (provider.equal(mac, macOver(provider, keys, ciphertext))) return "ciphertext";
  throw new CryptoError(
    "MAC",
    "public-key message: the MAC fits neither the empty string nor the ciphertext: another key, or damaged",
  );
}
