// Ciphers on node:crypto, and hashing in pieces. Results are plain Uint8Arrays; intermediates that hold plaintexts are filled with zeros.
import { createCipheriv, createDecipheriv, createHash, createSecretKey } from "node:crypto";
import type { AesCtrStream, Sha256Stream } from "../provider.ts";
import {
  AEAD_NONCE_BYTES,
  AEAD_TAG_BYTES,
  AES_BLOCK_BYTES,
  forged,
  KEY_BYTES,
  requireLength,
} from "./checks.ts";
import { plain } from "./node-hmac.ts";
import { pad, requireBlocks, unpad } from "./padding.ts";

/**
 * Always a KeyObject, never the raw key: `createCipheriv` takes 2 us with the one (its making included) and 17 with the other.
 * OpenSSL wipes its copy when the object is collected.
 */
const keyObject = createSecretKey;

export function aesCbcEncrypt(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array {
  requireAes(key, iv);
  const padded = pad(plaintext);
  // Without OpenSSL's padding `update` gives every block at once, and `final` has nothing to add.
  const ciphertext = createCipheriv("aes-256-cbc", keyObject(key), iv).setAutoPadding(false).update(padded);
  padded.fill(0);
  return plain(ciphertext);
}

export function aesCbcDecrypt(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  requireAes(key, iv);
  requireBlocks(ciphertext);
  const padded = createDecipheriv("aes-256-cbc", keyObject(key), iv).setAutoPadding(false).update(ciphertext);
  return unpad(plain(padded));
}

export function aesCtr(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array {
  requireAes(key, iv);
  return plain(createCipheriv("aes-256-ctr", keyObject(key), iv).update(data));
}

export function aesCtrStream(key: Uint8Array, iv: Uint8Array): AesCtrStream {
  requireAes(key, iv);
  const cipher = createCipheriv("aes-256-ctr", keyObject(key), iv);
  return Object.freeze({ update: (piece: Uint8Array) => plain(cipher.update(piece)) });
}

export function sha256Stream(): Sha256Stream {
  const hashing = createHash("sha256");
  return Object.freeze({
    update: (piece: Uint8Array): void => void hashing.update(piece),
    digest: () => plain(hashing.digest()),
  });
}

function requireAes(key: Uint8Array, iv: Uint8Array): void {
  requireLength(key, KEY_BYTES, "AES-256 key");
  requireLength(iv, AES_BLOCK_BYTES, "AES IV");
}

const AEAD = { authTagLength: AEAD_TAG_BYTES } as const;

export function seal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associated: Uint8Array,
): Uint8Array {
  requireAead(key, nonce);
  const cipher = createCipheriv("chacha20-poly1305", keyObject(key), nonce, AEAD);
  cipher.setAAD(associated, { plaintextLength: plaintext.length });
  const sealed = new Uint8Array(plaintext.length + AEAD_TAG_BYTES);
  sealed.set(cipher.update(plaintext));
  cipher.final();
  sealed.set(cipher.getAuthTag(), plaintext.length);
  return sealed;
}

export function open(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  associated: Uint8Array,
): Uint8Array {
  requireAead(key, nonce);
  if (sealed.length < AEAD_TAG_BYTES) throw forged();
  const end = sealed.length - AEAD_TAG_BYTES;
  const decipher = createDecipheriv("chacha20-poly1305", keyObject(key), nonce, AEAD);
  decipher.setAAD(associated, { plaintextLength: end });
  decipher.setAuthTag(sealed.subarray(end));
  const plaintext = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    throw forged();
  }
  return plain(plaintext);
}

function requireAead(key: Uint8Array, nonce: Uint8Array): void {
  requireLength(key, KEY_BYTES, "ChaCha20-Poly1305 key");
  requireLength(nonce, AEAD_NONCE_BYTES, "ChaCha20-Poly1305 nonce");
}
