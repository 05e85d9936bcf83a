// Ed25519 keys in libolm's form: 64 bytes, the clamped scalar a and the prefix, that is SHA-512 of a seed that is gone (RFC 8032 section 5.1.5).
// node:crypto imports seeds only, so both providers sign with these by @noble/curves: an order slower, and only as constant-time as noble's BigInts.
// Only accounts and sessions that come out of a libolm pickle have such keys.
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concatBytes } from "@noble/hashes/utils.js";
import type { Ed25519KeyPair } from "../provider.ts";
import { EXPANDED_KEY_BYTES, KEY_BYTES, requireLength } from "./checks.ts";

const { Point } = ed25519;
const { Fn } = Point;

export function importExpanded(expanded: Uint8Array, publicKey?: Uint8Array): Ed25519KeyPair {
  requireLength(expanded, EXPANDED_KEY_BYTES, "expanded Ed25519 key");
  if (publicKey) requireLength(publicKey, KEY_BYTES, "Ed25519 public key");
  const own = new Uint8Array(expanded);
  // Clamped as RFC 8032 says, whatever came: so the scalar is never a multiple of the group order.
  own[0] = (own[0] ?? 0) & 0xf8;
  own[31] = ((own[31] ?? 0) & 0x7f) | 0x40;
  return new ExpandedKeyPair(own, publicKey && new Uint8Array(publicKey));
}

class ExpandedKeyPair implements Ed25519KeyPair {
  readonly publicKey: Uint8Array;
  readonly form = "expanded";
  readonly #expanded: Uint8Array;

  constructor(expanded: Uint8Array, publicKey: Uint8Array | undefined) {
    this.#expanded = expanded;
    this.publicKey = publicKey ?? Point.BASE.multiply(this.#scalar()).toBytes();
  }

  /** RFC 8032 section 5.1.6, steps 2 to 6. */
  sign(message: Uint8Array): Uint8Array {
    const nonce = hashToScalar(this.#expanded.subarray(KEY_BYTES), message);
    const commitment = Point.BASE.multiply(nonce).toBytes();
    const challenge = hashToScalar(commitment, this.publicKey, message);
    const response = Fn.create(nonce + challenge * this.#scalar());
    return concatBytes(commitment, Fn.toBytes(response));
  }

  exportSecret(): Uint8Array {
    return new Uint8Array(this.#expanded);
  }

  #scalar(): bigint {
    return Fn.create(fromLittleEndian(this.#expanded.subarray(0, KEY_BYTES)));
  }
}

/** SHA-512 of the parts, read little-endian, modulo the group order. */
export function hashToScalar(...parts: Uint8Array[]): bigint {
  return Fn.create(fromLittleEndian(sha512(concatBytes(...parts))));
}

export function fromLittleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i -= 1) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value;
}
