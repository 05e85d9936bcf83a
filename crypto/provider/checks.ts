// What both providers check in the same way, before a backend sees the input: lengths, Ed25519 points and scalars.
// The backends disagree on hostile input (OpenSSL and RFC 8032's cofactored equation accept keys of small order,
// noble's strict mode accepts torsion in R that OpenSSL refuses), so the decision is taken here, once.
import type { EdwardsPoint } from "@noble/curves/abstract/edwards.js";
import { ED25519_TORSION_SUBGROUP, ed25519 } from "@noble/curves/ed25519.js";
import { hexToBytes } from "@noble/hashes/utils.js";
import { CryptoError } from "../errors.ts";

export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const EXPANDED_KEY_BYTES = 64;
export const AES_BLOCK_BYTES = 16;
export const AEAD_NONCE_BYTES = 12;
export const AEAD_TAG_BYTES = 16;
/** The most that `crypto.hkdfSync` takes. */
export const HKDF_INFO_BYTES_MAX = 1024;

/** For lengths that our own program answers for. */
export function requireLength(bytes: Uint8Array, length: number, what: string): void {
  if (bytes.length !== length) throw new RangeError(`${what}: expected ${length} bytes, got ${bytes.length}`);
}

/** For lengths that come from other people. */
export function requireTheirLength(bytes: Uint8Array, length: number, what: string): void {
  if (bytes.length !== length) {
    throw new CryptoError("FORMAT", `${what}: expected ${length} bytes, got ${bytes.length}`);
  }
}

/** A shared secret of zeros means that their key had small order (RFC 7748 section 6.1): the peer chose our keys. */
export function requireContributory(shared: Uint8Array): Uint8Array {
  let bits = 0;
  for (const byte of shared) bits |= byte;
  if (bits === 0) throw smallOrder("X25519 public key");
  return shared;
}

export function smallOrder(what: string): CryptoError {
  return new CryptoError(
    "SMALL_ORDER",
    `${what}: of small order, so that it contributes nothing; refuse its sender`,
  );
}

/** RFC 5869 section 2.3: at most 255 blocks. The info has OpenSSL's bound; nothing in Matrix comes near it. */
export function requireHkdf(info: Uint8Array, length: number, hashBytes: number): void {
  requireWhole(length, 1, 255 * hashBytes, "HKDF: length");
  requireWhole(info.length, 0, HKDF_INFO_BYTES_MAX, "HKDF: bytes of info");
}

/** RFC 8018 section 5.2, with the bound that both backends share. */
export function requirePbkdf2(iterations: number, length: number): void {
  requireWhole(iterations, 1, 2 ** 31 - 1, "PBKDF2: iterations");
  requireWhole(length, 1, 2 ** 31 - 1, "PBKDF2: length");
}

function requireWhole(value: number, least: number, most: number, what: string): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${what}: expected a whole number from ${least} to ${most}, got ${value}`);
  }
}

/** What an opened box says when its tag does not match. */
export function forged(): CryptoError {
  return new CryptoError("MAC", "ChaCha20-Poly1305: the tag does not match: damaged, forged, or another key");
}

/** Whether two byte strings are equal, in time that depends on the lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i += 1) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Little-endian, most significant byte last: p = 2^255 - 19 and the group order L. */
const FIELD_PRIME: Uint8Array = littleEndian((1n << 255n) - 19n);
const GROUP_ORDER: Uint8Array = littleEndian(ed25519.Point.Fn.ORDER);

/** The y coordinates of the eight points whose order divides 8, with the sign bit cleared. */
const SMALL_ORDER_Y: readonly Uint8Array[] = ED25519_TORSION_SUBGROUP.map((hex) =>
  withoutSign(hexToBytes(hex)),
);

/**
 * An Ed25519 public key worth keeping: canonical (RFC 8032 section 5.1.3), not of small order, and on the curve unless that is `unchecked`.
 * @throws CryptoError FORMAT or SMALL_ORDER
 */
export function checkEd25519Public(bytes: Uint8Array, onCurve?: "unchecked"): void {
  requireTheirLength(bytes, KEY_BYTES, "Ed25519 public key");
  if (hasSmallOrder(bytes)) throw smallOrder("Ed25519 public key");
  if (!isCanonicalPoint(bytes)) {
    throw new CryptoError(
      "FORMAT",
      "Ed25519 public key: expected y below 2^255 - 19, got a non-canonical encoding",
    );
  }
  if (onCurve === undefined && pointOrNull(bytes) === null) {
    throw new CryptoError("FORMAT", "Ed25519 public key: expected a point on the curve, got none");
  }
}

/** The point, or null when there is none: RFC 8032 section 5.1.3, step 3. */
export function pointOrNull(bytes: Uint8Array): EdwardsPoint | null {
  try {
    return ed25519.Point.fromBytes(bytes);
  } catch {
    return null;
  }
}

/** The part of a signature that needs no curve arithmetic: length, S < L, R canonical and not of small order. */
export function isPlausibleSignature(signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const r = signature.subarray(0, KEY_BYTES);
  return isBelow(signature.subarray(KEY_BYTES), GROUP_ORDER) && isCanonicalPoint(r) && !hasSmallOrder(r);
}

function isCanonicalPoint(bytes: Uint8Array): boolean {
  return isBelow(withoutSign(bytes), FIELD_PRIME);
}

function hasSmallOrder(bytes: Uint8Array): boolean {
  const y = withoutSign(bytes);
  return SMALL_ORDER_Y.some((small) => sameBytes(y, small));
}

/** Compares public values, so it may stop early. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}

/** Whether a < b, both little-endian and of one length. Public values: it may stop early. */
function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = b.length - 1; i >= 0; i -= 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function withoutSign(bytes: Uint8Array): Uint8Array {
  const y = new Uint8Array(bytes);
  y[KEY_BYTES - 1] = (y[KEY_BYTES - 1] ?? 0) & 0x7f;
  return y;
}

function littleEndian(value: bigint): Uint8Array {
  const bytes = new Uint8Array(KEY_BYTES);
  for (let i = 0, rest = value; i < KEY_BYTES; i += 1, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}
