// Secret storage `m.secret_storage.v1.aes-hmac-sha2` (specification: Secrets, Storage; the whole of its cryptography).
//
//   AES key 32 | MAC key 32 = HKDF-SHA-256(salt 0, storage key, info = name of the secret, 64); "" for the check of the key
//   ciphertext = AES-256-CTR(secret), IV 16 random bytes with bit 63 zero; mac = HMAC-SHA-256(MAC key, ciphertext), 32 bytes
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { CryptoError } from "./errors.ts";
import {
  PBKDF2_ITERATIONS_DEFAULT,
  PBKDF2_ITERATIONS_READ_MAX,
  PBKDF2_ITERATIONS_WRITE_MIN,
  SECRET_CHARS_MAX,
} from "./limits.ts";
import type { CryptoProvider } from "./provider.ts";
import {
  decodeUtf8,
  encodeUtf8,
  type JsonObject,
  member,
  optionalString,
  requireBytes,
  requireObject,
  stringMember,
} from "./shape.ts";

export const SECRET_STORAGE_ALGORITHM = "m.secret_storage.v1.aes-hmac-sha2";

const KEY_BYTES = 32;
const IV_BYTES = 16;
const MAC_BYTES = 32;
const SALT_CHARS = 32;
const CHECKED: Uint8Array = new Uint8Array(32);
const NO_SALT: Uint8Array = new Uint8Array(0);
const SALT_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** A secret under one key: the members of `encrypted.<key ID>` in the account data, unpadded base64. */
export interface EncryptedSecret {
  readonly iv: string;
  readonly ciphertext: string;
  readonly mac: string;
}

/** How a key is made from a passphrase: `passphrase` of a key description. */
export interface PassphraseInfo {
  readonly algorithm: "m.pbkdf2";
  /** Used as its UTF-8 bytes. */
  readonly salt: string;
  readonly iterations: number;
  /** Always 256. */
  readonly bits: number;
}

/** The content of `m.secret_storage.key.<key ID>`. */
export interface KeyDescription {
  readonly algorithm: typeof SECRET_STORAGE_ALGORITHM;
  readonly name?: string;
  readonly passphrase?: PassphraseInfo;
  readonly iv: string;
  readonly mac: string;
}

/**
 * Whether a key is the one that was described. `unverifiable`: the description holds no check, and the specification wants the key to be
 * taken for valid; a wrong one shows at the first secret.
 */
export type KeyCheck = "right" | "wrong" | "unverifiable";

/** A new storage key: 32 random bytes. Show it to its owner with recovery-key.ts. */
export function generateSecretStorageKey(provider: CryptoProvider): Uint8Array {
  return provider.random(KEY_BYTES);
}

/** The description to store beside a key. @throws RangeError when the key has not 32 bytes */
export function describeSecretStorageKey(
  provider: CryptoProvider,
  key: Uint8Array,
  extra: { readonly name?: string; readonly passphrase?: PassphraseInfo } = {},
): KeyDescription {
  const { iv, mac } = encryptBytes(provider, key, "", CHECKED);
  return { algorithm: SECRET_STORAGE_ALGORITHM, ...extra, iv: encodeBase64(iv), mac: encodeBase64(mac) };
}

/**
 * Compares a key with a description that a server stored.
 *
 * An IV of more than 16 bytes is cut to 16: some clients wrote 32 and used the first half.
 *
 * @throws CryptoError UNSUPPORTED for another algorithm, FORMAT or BASE64 for a broken check; RangeError for a key of another length than 32
 */
export function checkSecretStorageKey(
  provider: CryptoProvider,
  key: Uint8Array,
  description: unknown,
): KeyCheck {
  const content = requireDescription(description);
  const iv = optionalString(content, "iv", "key description");
  const mac = optionalString(content, "mac", "key description");
  if (iv === undefined || mac === undefined) return "unverifiable";
  const expected = requireBytes(decodeBase64(mac), MAC_BYTES, "key description.mac");
  const found = macOfZeros(provider, key, parseIv(iv, "key description"));
  return provider.equal(found, expected) ? "right" : "wrong";
}

/** A secret for the account data. `name`: its event type, `m.cross_signing.master` and so on. */
export function encryptSecret(
  provider: CryptoProvider,
  key: Uint8Array,
  name: string,
  secret: string,
): EncryptedSecret {
  if (secret.length > SECRET_CHARS_MAX) {
    throw new RangeError(`secret: expected at most ${SECRET_CHARS_MAX} characters, got ${secret.length}`);
  }
  const { iv, ciphertext, mac } = encryptBytes(provider, key, name, encodeUtf8(secret));
  return { iv: encodeBase64(iv), ciphertext: encodeBase64(ciphertext), mac: encodeBase64(mac) };
}

/**
 * A secret out of the account data.
 *
 * @param encrypted the object at `encrypted.<key ID>`, untrusted. Padded base64 is accepted, as the specification asks.
 * @throws CryptoError MAC (another key, another secret's data under this name, or damaged), FORMAT, BASE64
 */
export function decryptSecret(
  provider: CryptoProvider,
  key: Uint8Array,
  name: string,
  encrypted: unknown,
): string {
  const data = requireObject(encrypted, "secret");
  const text = stringMember(data, "ciphertext", "secret");
  if (text.length > 2 * SECRET_CHARS_MAX)
    throw new CryptoError("FORMAT", "secret.ciphertext: longer than an event can be");
  const ciphertext = decodeBase64(text);
  const mac = requireBytes(decodeBase64(stringMember(data, "mac", "secret")), MAC_BYTES, "secret.mac");
  const iv = parseIv(stringMember(data, "iv", "secret"), "secret");
  const keys = deriveKeys(provider, key, name);
  try {
    if (!provider.equal(provider.hmacSha256(keys.subarray(32), ciphertext), mac)) {
      throw new CryptoError(
        "MAC",
        `secret ${name}: the MAC does not match: another key, another secret, or damaged`,
      );
    }
    const plaintext = provider.aesCtr(keys.subarray(0, 32), iv, ciphertext);
    const secret = decodeUtf8(plaintext, "secret");
    plaintext.fill(0);
    return secret;
  } finally {
    keys.fill(0);
  }
}

/** New parameters for a passphrase: a random salt and, by default, 500,000 iterations. @throws RangeError below 100,000 */
export function createPassphraseInfo(
  provider: CryptoProvider,
  iterations: number = PBKDF2_ITERATIONS_DEFAULT,
): PassphraseInfo {
  if (!Number.isInteger(iterations) || iterations < PBKDF2_ITERATIONS_WRITE_MIN) {
    throw new RangeError(
      `passphrase: expected at least ${PBKDF2_ITERATIONS_WRITE_MIN} iterations, got ${iterations}`,
    );
  }
  // 64 characters, so the low six bits of a random byte choose one without bias.
  const salt = Array.from(provider.random(SALT_CHARS), (byte) => SALT_ALPHABET.charAt(byte & 63)).join("");
  return { algorithm: "m.pbkdf2", salt, iterations, bits: KEY_BYTES * 8 };
}

/**
 * The storage key from a passphrase and the `passphrase` object of its description, untrusted. It takes a second and more, in which nothing else
 * runs: `stretchSecretStorageKey` does the same beside everything else.
 *
 * @throws CryptoError as `readPassphraseInfo`
 */
export function deriveSecretStorageKey(
  provider: CryptoProvider,
  passphrase: string,
  info: unknown,
  iterationsMax: number = PBKDF2_ITERATIONS_READ_MAX,
): Uint8Array {
  const { iterations, salt } = readPassphraseInfo(info, iterationsMax);
  const password = encodeUtf8(passphrase);
  const key = provider.pbkdf2Sha512(password, encodeUtf8(salt), iterations, KEY_BYTES);
  password.fill(0);
  return key;
}

/** PBKDF2 with HMAC-SHA-512 somewhere else than on this thread: provider/node-stretch.ts, or Web Crypto. */
export type Stretch = (
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
  length: number,
) => Promise<Uint8Array>;

/** As `deriveSecretStorageKey`, without holding up the thread. Rejects with CryptoError as `readPassphraseInfo`. */
export async function stretchSecretStorageKey(
  stretch: Stretch,
  passphrase: string,
  info: unknown,
  iterationsMax: number = PBKDF2_ITERATIONS_READ_MAX,
): Promise<Uint8Array> {
  const { iterations, salt } = readPassphraseInfo(info, iterationsMax);
  const password = encodeUtf8(passphrase);
  try {
    return await stretch(password, encodeUtf8(salt), iterations, KEY_BYTES);
  } finally {
    password.fill(0);
  }
}

/**
 * Reads the `passphrase` object of a key description.
 *
 * @throws CryptoError UNSUPPORTED for another algorithm, another length than 256 bits, or more than `iterationsMax` (5,000,000 by default):
 *   a server could otherwise keep a small board busy for hours; FORMAT for anything else
 */
export function readPassphraseInfo(
  info: unknown,
  iterationsMax: number = PBKDF2_ITERATIONS_READ_MAX,
): PassphraseInfo {
  const object = requireObject(info, "passphrase");
  const salt = stringMember(object, "salt", "passphrase");
  const algorithm = stringMember(object, "algorithm", "passphrase");
  const bits = member(object, "bits") ?? KEY_BYTES * 8;
  if (algorithm !== "m.pbkdf2" || bits !== KEY_BYTES * 8) {
    throw new CryptoError(
      "UNSUPPORTED",
      "passphrase: expected m.pbkdf2 and 256 bits, found another derivation",
    );
  }
  const iterations = member(object, "iterations");
  if (typeof iterations !== "number" || !Number.isInteger(iterations) || iterations < 1) {
    throw new CryptoError("FORMAT", "passphrase.iterations: expected a positive integer");
  }
  if (iterations > iterationsMax) {
    throw new CryptoError(
      "UNSUPPORTED",
      `passphrase: asks for ${iterations} iterations; raise iterationsMax (${iterationsMax}) if it is trusted`,
    );
  }
  return { algorithm, salt, iterations, bits: KEY_BYTES * 8 };
}

function requireDescription(value: unknown): JsonObject {
  const content = requireObject(value, "key description");
  const algorithm = stringMember(content, "algorithm", "key description");
  if (algorithm !== SECRET_STORAGE_ALGORITHM) {
    const found = JSON.stringify(algorithm.slice(0, 80));
    throw new CryptoError(
      "UNSUPPORTED",
      `key description: expected ${SECRET_STORAGE_ALGORITHM}, found ${found}`,
    );
  }
  return content;
}

function parseIv(text: string, what: string): Uint8Array {
  const iv = decodeBase64(text);
  if (iv.length < IV_BYTES) {
    throw new CryptoError("FORMAT", `${what}.iv: expected ${IV_BYTES} bytes, found ${iv.length}`);
  }
  return iv.subarray(0, IV_BYTES);
}

function macOfZeros(provider: CryptoProvider, key: Uint8Array, iv: Uint8Array): Uint8Array {
  const keys = deriveKeys(provider, key, "");
  const mac = provider.hmacSha256(keys.subarray(32), provider.aesCtr(keys.subarray(0, 32), iv, CHECKED));
  keys.fill(0);
  return mac;
}

function encryptBytes(
  provider: CryptoProvider,
  key: Uint8Array,
  name: string,
  plaintext: Uint8Array,
): { readonly iv: Uint8Array; readonly ciphertext: Uint8Array; readonly mac: Uint8Array } {
  const iv = provider.random(IV_BYTES);
  // Bit 63 of the counter is zero, since some AES-CTR implementations count in 64 bits.
  iv[8] = (iv[8] ?? 0) & 0x7f;
  const keys = deriveKeys(provider, key, name);
  const ciphertext = provider.aesCtr(keys.subarray(0, 32), iv, plaintext);
  const mac = provider.hmacSha256(keys.subarray(32), ciphertext);
  keys.fill(0);
  return { iv, ciphertext, mac };
}

function deriveKeys(provider: CryptoProvider, key: Uint8Array, name: string): Uint8Array {
  if (key.length !== KEY_BYTES)
    throw new RangeError(`secret storage key: expected 32 bytes, got ${key.length}`);
  return provider.hkdfSha256(NO_SALT, key, encodeUtf8(name), 64);
}
