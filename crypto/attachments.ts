// Encrypted attachments, version 2 (specification: Sending encrypted attachments; the whole of it).
// AES-256-CTR under a key used once; the counter block is 8 random bytes, then 8 zero bytes; the SHA-256 of the ciphertext
// travels with the key, inside the encrypted event, so that nobody can change the file on the server.
//
// The hash is checked before the first byte is decrypted. For files too large for memory that means two passes:
// `verifyAttachment` reads the ciphertext once, and only its `finish` gives something that decrypts.
import { decodeBase64, decodeBase64Url, encodeBase64, encodeBase64Url } from "./base64.ts";
import { CryptoError } from "./errors.ts";
import type { CryptoProvider } from "./provider.ts";
import { type JsonObject, member, objectMember, requireBytes, requireObject, stringMember } from "./shape.ts";

const KEY_BYTES = 32;
const IV_BYTES = 16;
const IV_RANDOM_BYTES = 8;
const HASH_BYTES = 32;

/** The `EncryptedFile` of an event without its `url`. It holds the key: it goes into an encrypted event and nowhere else. */
export interface AttachmentInfo {
  readonly v: "v2";
  readonly key: {
    readonly kty: "oct";
    readonly key_ops: readonly ["encrypt", "decrypt"];
    readonly alg: "A256CTR";
    /** 32 bytes, URL-safe unpadded base64. */
    readonly k: string;
    readonly ext: true;
  };
  /** The first counter block, 16 bytes, unpadded base64. */
  readonly iv: string;
  /** Of the ciphertext; 32 bytes, unpadded base64. */
  readonly hashes: { readonly sha256: string };
}

/** Encrypts in pieces. */
export interface AttachmentEncryptor {
  /** The ciphertext of a piece, of the same length. */
  update(piece: Uint8Array): Uint8Array;
  /** The info, once, after the last piece. */
  finish(): AttachmentInfo;
}

/** The first pass over a ciphertext. */
export interface AttachmentVerifier {
  update(piece: Uint8Array): void;
  /** What decrypts the same ciphertext. @throws CryptoError MAC when its hash is not the one in the info */
  finish(): AttachmentDecryptor;
}

/** The second pass: the same bytes again, in pieces of any length. */
export interface AttachmentDecryptor {
  /** The plaintext of a piece, of the same length. */
  update(piece: Uint8Array): Uint8Array;
  /** Call it after the last piece. @throws CryptoError MAC when the bytes were not those of the first pass: drop what was decrypted */
  finish(): void;
}

/** Encrypts a whole attachment under a fresh key. The plaintext is not changed; the ciphertext has its length. */
export function encryptAttachment(
  provider: CryptoProvider,
  plaintext: Uint8Array,
): { readonly ciphertext: Uint8Array; readonly info: AttachmentInfo } {
  const { key, iv } = freshKey(provider);
  const ciphertext = provider.aesCtr(key, iv, plaintext);
  const info = describe(key, iv, provider.sha256(ciphertext));
  key.fill(0);
  return { ciphertext, info };
}

/**
 * Decrypts a whole attachment, if its hash is the one in the info.
 *
 * @param info the event's `file` (or `thumbnail_file`), untrusted.
 * @throws CryptoError MAC when the ciphertext is not the one that was sent; VERSION when `v` is not `v2`; UNSUPPORTED for another
 *   key type or algorithm; FORMAT or BASE64 for anything else wrong with the info.
 */
export function decryptAttachment(
  provider: CryptoProvider,
  ciphertext: Uint8Array,
  info: unknown,
): Uint8Array {
  const { key, iv, sha256 } = parseInfo(info);
  try {
    requireHash(provider, provider.sha256(ciphertext), sha256);
    return provider.aesCtr(key, iv, ciphertext);
  } finally {
    key.fill(0);
  }
}

/** Encrypts an attachment piece by piece, so that only a piece need be in memory. */
export function encryptAttachmentStream(provider: CryptoProvider): AttachmentEncryptor {
  const { key, iv } = freshKey(provider);
  const cipher = provider.aesCtrStream(key, iv);
  const hash = provider.sha256Stream();
  let open = true;
  const requireOpen = (): void => {
    if (!open)
      throw new TypeError("attachment: finish() was called; encrypt the next file with a new stream");
  };
  return Object.freeze({
    update: (piece: Uint8Array): Uint8Array => {
      requireOpen();
      const ciphertext = cipher.update(piece);
      hash.update(ciphertext);
      return ciphertext;
    },
    finish: (): AttachmentInfo => {
      requireOpen();
      open = false;
      const info = describe(key, iv, hash.digest());
      key.fill(0);
      return info;
    },
  });
}

/**
 * Begins the decryption of an attachment that is read twice: first to verify it, then to decrypt it.
 *
 * @throws CryptoError as {@link decryptAttachment}, for the info
 */
export function verifyAttachment(provider: CryptoProvider, info: unknown): AttachmentVerifier {
  const { key, iv, sha256 } = parseInfo(info);
  const hash = provider.sha256Stream();
  return Object.freeze({
    update: (piece: Uint8Array): void => hash.update(piece),
    finish: (): AttachmentDecryptor => {
      try {
        requireHash(provider, hash.digest(), sha256);
        return decryptor(provider, provider.aesCtrStream(key, iv), sha256);
      } finally {
        key.fill(0);
      }
    },
  });
}

function decryptor(
  provider: CryptoProvider,
  cipher: { update(piece: Uint8Array): Uint8Array },
  sha256: Uint8Array,
): AttachmentDecryptor {
  const hash = provider.sha256Stream();
  return Object.freeze({
    update: (piece: Uint8Array): Uint8Array => {
      hash.update(piece);
      return cipher.update(piece);
    },
    finish: (): void => requireHash(provider, hash.digest(), sha256),
  });
}

function freshKey(provider: CryptoProvider): { readonly key: Uint8Array; readonly iv: Uint8Array } {
  const iv = new Uint8Array(IV_BYTES);
  iv.set(provider.random(IV_RANDOM_BYTES));
  return { key: provider.random(KEY_BYTES), iv };
}

function describe(key: Uint8Array, iv: Uint8Array, sha256: Uint8Array): AttachmentInfo {
  return {
    v: "v2",
    key: { kty: "oct", key_ops: ["encrypt", "decrypt"], alg: "A256CTR", k: encodeBase64Url(key), ext: true },
    iv: encodeBase64(iv),
    hashes: { sha256: encodeBase64(sha256) },
  };
}

function requireHash(provider: CryptoProvider, found: Uint8Array, expected: Uint8Array): void {
  if (!provider.equal(found, expected)) {
    throw new CryptoError(
      "MAC",
      "attachment: the ciphertext is not the one that was sent: its SHA-256 differs; drop it",
    );
  }
}

interface ParsedInfo {
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
  readonly sha256: Uint8Array;
}

function parseInfo(value: unknown): ParsedInfo {
  const info = requireObject(value, "attachment info");
  const version = stringMember(info, "v", "attachment info");
  if (version !== "v2") {
    throw new CryptoError(
      "VERSION",
      `attachment info: expected v "v2", found ${JSON.stringify(version.slice(0, 20))}`,
    );
  }
  const sha256 = stringMember(
    objectMember(info, "hashes", "attachment info"),
    "sha256",
    "attachment info.hashes",
  );
  const iv = stringMember(info, "iv", "attachment info");
  return {
    sha256: requireBytes(decodeBase64(sha256), HASH_BYTES, "attachment info.hashes.sha256"),
    iv: requireBytes(decodeBase64(iv), IV_BYTES, "attachment info.iv"),
    key: parseKey(objectMember(info, "key", "attachment info")),
  };
}

/** The JSON Web Key: the specification fixes every member but `k`. */
function parseKey(key: JsonObject): Uint8Array {
  requireExactly(key, "kty", "oct");
  requireExactly(key, "alg", "A256CTR");
  requireExactly(key, "ext", true);
  const operations = member(key, "key_ops");
  if (!Array.isArray(operations) || !operations.includes("encrypt") || !operations.includes("decrypt")) {
    throw new CryptoError("FORMAT", "attachment info.key.key_ops: expected encrypt and decrypt in it");
  }
  const k = stringMember(key, "k", "attachment info.key");
  return requireBytes(decodeBase64Url(k), KEY_BYTES, "attachment info.key.k");
}

function requireExactly(key: JsonObject, name: string, expected: string | boolean): void {
  if (member(key, name) !== expected) {
    throw new CryptoError(
      "UNSUPPORTED",
      `attachment info.key.${name}: expected ${JSON.stringify(expected)}, found another`,
    );
  }
}
