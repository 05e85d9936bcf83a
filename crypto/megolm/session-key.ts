// How a Megolm session is handed on (specification: Megolm, "Session sharing format" and "Session export format").
//
//   session key, version 2, 229 bytes: | 0x02 | index 4, big-endian | ratchet 128 | Ed25519 public key 32 | signature 64 |
//   export, version 1, 165 bytes:      | 0x01 | index 4, big-endian | ratchet 128 | Ed25519 public key 32 |
//
// A session key is signed by the key inside it, which proves that its giver made the session. An export is not signed and proves nothing.
import { CryptoError } from "../errors.ts";
import { type MegolmRatchet, RATCHET_BYTES } from "./ratchet.ts";

const SESSION_KEY_VERSION = 2;
const EXPORT_VERSION = 1;
const RATCHET_START = 5;
const PUBLIC_KEY_START: number = RATCHET_START + RATCHET_BYTES;
const EXPORT_BYTES: number = PUBLIC_KEY_START + 32;
const SESSION_KEY_BYTES: number = EXPORT_BYTES + 64;

export interface DecodedSessionExport {
  /** A copy of its own. */
  readonly ratchet: MegolmRatchet;
  /** 32 bytes, unchecked. */
  readonly signingKey: Uint8Array;
}

export interface DecodedSessionKey extends DecodedSessionExport {
  /** What the signature covers: all before it. */
  readonly signed: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** The signature is the caller's to check. @throws CryptoError VERSION or FORMAT */
export function decodeSessionKey(bytes: Uint8Array): DecodedSessionKey {
  requireForm(bytes, SESSION_KEY_VERSION, SESSION_KEY_BYTES, "Megolm session key");
  return {
    ...decodeBody(bytes),
    signed: bytes.subarray(0, EXPORT_BYTES),
    signature: bytes.subarray(EXPORT_BYTES),
  };
}

/** @throws CryptoError VERSION or FORMAT */
export function decodeSessionExport(bytes: Uint8Array): DecodedSessionExport {
  requireForm(bytes, EXPORT_VERSION, EXPORT_BYTES, "Megolm session export");
  return decodeBody(bytes);
}

export function encodeSessionKey(
  ratchet: MegolmRatchet,
  signingKey: Uint8Array,
  sign: (message: Uint8Array) => Uint8Array,
): Uint8Array {
  const bytes = encodeBody(SESSION_KEY_BYTES, SESSION_KEY_VERSION, ratchet, signingKey);
  bytes.set(sign(bytes.subarray(0, EXPORT_BYTES)), EXPORT_BYTES);
  return bytes;
}

export function encodeSessionExport(ratchet: MegolmRatchet, signingKey: Uint8Array): Uint8Array {
  return encodeBody(EXPORT_BYTES, EXPORT_VERSION, ratchet, signingKey);
}

function requireForm(bytes: Uint8Array, version: number, length: number, what: string): void {
  if (bytes[0] !== undefined && bytes[0] !== version) {
    throw new CryptoError("VERSION", `${what}: expected version ${version}, found ${bytes[0]}`);
  }
  if (bytes.length !== length) {
    throw new CryptoError("FORMAT", `${what}: expected ${length} bytes, found ${bytes.length}`);
  }
}

function decodeBody(bytes: Uint8Array): DecodedSessionExport {
  const index = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  return {
    ratchet: { bytes: new Uint8Array(bytes.subarray(RATCHET_START, PUBLIC_KEY_START)), index },
    signingKey: bytes.subarray(PUBLIC_KEY_START, EXPORT_BYTES),
  };
}

function encodeBody(
  length: number,
  version: number,
  ratchet: MegolmRatchet,
  signingKey: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = version;
  new DataView(bytes.buffer).setUint32(1, ratchet.index);
  bytes.set(ratchet.bytes, RATCHET_START);
  bytes.set(signingKey, PUBLIC_KEY_START);
  return bytes;
}
