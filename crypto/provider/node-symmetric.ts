// Hashes, MACs and ciphers on node:crypto. Results are plain Uint8Arrays; intermediates that hold keys are filled with zeros.
import { createCipheriv, createDecipheriv, createHash, createHmac, hash } from "node:crypto";
import type { AesCtrStream, Sha256Stream } from "../provider.ts";
import {
  AEAD_NONCE_BYTES,
  AEAD_TAG_BYTES,
  AES_BLOCK_BYTES,
  forged,
  KEY_BYTES,
  requireLength,
} from "./checks.ts";
import { pad, requireBlocks, unpad } from "./padding.ts";

/** SHA-256's block, to which HMAC pads its key (RFC 2104). */
const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
/** RFC 5869 section 2.3: at most 255 blocks. */
const HKDF_BYTES_MAX = 255 * HASH_BYTES;
/** Longer input is not copied behind the key for the sake of a one-shot hash; `createHmac` streams it. */
const ONE_SHOT_BYTES_MAX = 1 << 20;

/** A Buffer as a plain array over the same bytes. OpenSSL's results have a memory of their own, never a part of Node's pool. */
export function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** RFC 2104: H(K xor opad, H(K xor ipad, data)). */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  if (data.length > ONE_SHOT_BYTES_MAX) return plain(createHmac("sha256", key).update(data).digest());
  const short = key.length > BLOCK_BYTES ? hash("sha256", key, "buffer") : key;
  const inner = keyed(short, 0x36, data);
  const outer = keyed(short, 0x5c, hash("sha256", inner, "buffer"));
  const mac = hash("sha256", outer, "buffer");
  inner.fill(0, 0, BLOCK_BYTES);
  outer.fill(0);
  return plain(mac);
}

/** The key, padded to a block and masked, then the data. */
function keyed(key: Uint8Array, mask: number, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(BLOCK_BYTES + data.length);
  out.fill(mask, 0, BLOCK_BYTES);
  for (let i = 0; i < key.length; i += 1) out[i] = (key[i] ?? 0) ^ mask;
  out.set(data, BLOCK_BYTES);
  return out;
}

/** RFC 5869 sections 2.2 and 2.3. */
export function hkdfSha256(
  salt: Uint8Array,
  secret: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  if (length > HKDF_BYTES_MAX)
    throw new RangeError(`HKDF: expected at most ${HKDF_BYTES_MAX} bytes, got ${length}`);
  const extracted = hmacSha256(salt, secret);
  const out = new Uint8Array(length);
  const input = new Uint8Array(HASH_BYTES + info.length + 1);
  input.set(info, HASH_BYTES);
  for (let at = 0, count = 1; at < length; at += HASH_BYTES, count += 1) {
    input[input.length - 1] = count;
    const block = hmacSha256(extracted, count === 1 ? input.subarray(HASH_BYTES) : input);
    out.set(block.subarray(0, length - at), at);
    input.set(block);
    block.fill(0);
  }
  extracted.fill(0);
  input.fill(0);
  return out;
}

export function aesCbcEncrypt(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array {
  requireAes(key, iv);
  const padded = pad(plaintext);
  // Without OpenSSL's padding `update` gives every block at once, and `final` has nothing to add.
  const ciphertext = createCipheriv("aes-256-cbc", key, iv).setAutoPadding(false).update(padded);
  padded.fill(0);
  return plain(ciphertext);
}

export function aesCbcDecrypt(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  requireAes(key, iv);
  requireBlocks(ciphertext);
  const padded = createDecipheriv("aes-256-cbc", key, iv).setAutoPadding(false).update(ciphertext);
  return unpad(plain(padded));
}

export function aesCtr(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array {
  requireAes(key, iv);
  return plain(createCipheriv("aes-256-ctr", key, iv).update(data));
}

export function aesCtrStream(key: Uint8Array, iv: Uint8Array): AesCtrStream {
  requireAes(key, iv);
  const cipher = createCipheriv("aes-256-ctr", key, iv);
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
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, AEAD);
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
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, AEAD);
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
