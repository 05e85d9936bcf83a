// HMAC-SHA-256 and HKDF-SHA-256 on node:crypto, made of one-shot hashes: for the short inputs that ratchets are made of, `createHmac` costs
// three times as much before it has seen a byte, and `hkdfSync` twice as much as the eight hashes of an Olm message's keys.
//
// Key pads and short data are put together in two buffers that live as long as the module, and are filled with zeros after each use.
// Everything here is synchronous, so no two calls ever share them.
import { createHmac, createSecretKey, hash } from "node:crypto";
import { requireHkdf } from "./checks.ts";

/** SHA-256's block, to which HMAC pads its key (RFC 2104). */
const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
/** Longer data go through `createHmac`, which does not copy them. HKDF's blocks (hash, info, counter) always fit. */
const SHORT_BYTES_MAX = 2048;

const inner: Buffer = Buffer.alloc(BLOCK_BYTES + SHORT_BYTES_MAX);
const outer: Buffer = Buffer.alloc(BLOCK_BYTES + HASH_BYTES);

/** A Buffer as a plain array over the same bytes. OpenSSL's results have a memory of their own, never a part of Node's pool. */
export function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** RFC 2104: H(K xor opad, H(K xor ipad, data)). */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  if (data.length > SHORT_BYTES_MAX) {
    return plain(createHmac("sha256", createSecretKey(key)).update(data).digest());
  }
  setKey(key);
  inner.set(data, BLOCK_BYTES);
  const mac = macOfShort(data.length);
  forget(data.length);
  return mac;
}

/** RFC 5869 sections 2.2 and 2.3: T(n) = HMAC(PRK, T(n-1) || info || n), with the PRK's pads set once. */
export function hkdfSha256(
  salt: Uint8Array,
  secret: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  requireHkdf(info, length, HASH_BYTES);
  const pseudorandom = hmacSha256(salt, secret);
  setKey(pseudorandom);
  pseudorandom.fill(0);
  const out = new Uint8Array(length);
  let previous = 0;
  for (let at = 0, count = 1; at < length; at += HASH_BYTES, count += 1) {
    inner.set(info, BLOCK_BYTES + previous);
    inner[BLOCK_BYTES + previous + info.length] = count;
    const block = macOfShort(previous + info.length + 1);
    out.set(at + HASH_BYTES <= length ? block : block.subarray(0, length - at), at);
    inner.set(block, BLOCK_BYTES);
    block.fill(0);
    previous = HASH_BYTES;
  }
  forget(HASH_BYTES + info.length + 1);
  return out;
}

/** Puts the key's two pads into place; a key longer than a block is hashed first. */
function setKey(key: Uint8Array): void {
  const short = key.length > BLOCK_BYTES ? hash("sha256", key, "buffer") : key;
  for (let i = 0; i < short.length; i += 1) {
    const byte = short[i] ?? 0;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  inner.fill(0x36, short.length, BLOCK_BYTES);
  outer.fill(0x5c, short.length, BLOCK_BYTES);
}

/**
 * The MAC of the `length` bytes behind the inner pad. The inner hash comes as a string, in a third of the time of a Buffer: it cannot be wiped,
 * but without the key it says nothing. The MAC itself, which is the next key more often than not, never becomes a string.
 */
function macOfShort(length: number): Uint8Array {
  outer.write(hash("sha256", inner.subarray(0, BLOCK_BYTES + length), "binary"), BLOCK_BYTES, "latin1");
  return plain(hash("sha256", outer, "buffer"));
}

function forget(length: number): void {
  inner.fill(0, 0, BLOCK_BYTES + length);
  outer.fill(0);
}
