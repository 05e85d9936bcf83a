// Megolm messages on the wire (specification: Megolm, "Message format").
//
//   | 0x03 | 0x08 index | 0x12 length ciphertext | MAC 8 | Ed25519 signature 64 |
//     the MAC covers what precedes it, the signature what precedes it, MAC included
//
// The index is always written, also when it is 0.
import { MAC_BYTES, withKeys } from "../aes-sha2.ts";
import { CryptoError } from "../errors.ts";
import type { CryptoProvider } from "../provider.ts";
import { encodeUtf8 } from "../shape.ts";
import { fieldBytes, StrictReader, varintBytes, writeField, writeVarint } from "../wire.ts";
import type { MegolmRatchet } from "./ratchet.ts";

const VERSION = 3;
const INDEX_TAG = 0x08;
const CIPHERTEXT_TAG = 0x12;
export const SIGNATURE_BYTES = 64;
const TAIL_BYTES: number = MAC_BYTES + SIGNATURE_BYTES;
const KEYS_INFO: Uint8Array = encodeUtf8("MEGOLM_KEYS");

/** A message, its parts as views on its bytes. Nothing in it is authenticated yet. */
export interface DecodedMegolmMessage {
  readonly index: number;
  /** At least one byte; whole blocks is for the cipher to check. */
  readonly ciphertext: Uint8Array;
  /** Everything that the MAC covers. */
  readonly authenticated: Uint8Array;
  /** 8 bytes. */
  readonly mac: Uint8Array;
  /** Everything that the signature covers. */
  readonly signed: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** @throws CryptoError VERSION or FORMAT, on every encoding but the one above */
export function decodeMegolmMessage(bytes: Uint8Array): DecodedMegolmMessage {
  const end = bytes.length - TAIL_BYTES;
  if (end < 1) {
    throw new CryptoError(
      "FORMAT",
      `Megolm message: expected more than ${TAIL_BYTES} bytes, found ${bytes.length}`,
    );
  }
  const authenticated = bytes.subarray(0, end);
  const reader = new StrictReader(authenticated, "Megolm message");
  reader.version(VERSION);
  const index = reader.uint32(INDEX_TAG);
  const ciphertext = reader.bytes(CIPHERTEXT_TAG);
  reader.end();
  if (ciphertext.length === 0) {
    throw new CryptoError("FORMAT", "Megolm message: expected a ciphertext, found an empty one");
  }
  const signed = bytes.subarray(0, end + MAC_BYTES);
  return {
    index,
    ciphertext,
    authenticated,
    mac: signed.subarray(end),
    signed,
    signature: bytes.subarray(signed.length),
  };
}

/** A whole message at the ratchet's index, MAC and signature included. */
export function encryptMegolmMessage(
  provider: CryptoProvider,
  ratchet: MegolmRatchet,
  plaintext: Uint8Array,
  sign: (message: Uint8Array) => Uint8Array,
): Uint8Array {
  return withKeys(provider, ratchet.bytes, KEYS_INFO, (keys) => {
    const bytes = encodeMegolmMessage(ratchet.index, keys.encrypt(plaintext));
    const end = bytes.length - TAIL_BYTES;
    bytes.set(keys.mac(bytes.subarray(0, end)), end);
    bytes.set(sign(bytes.subarray(0, end + MAC_BYTES)), end + MAC_BYTES);
    return bytes;
  });
}

/** The message with room for MAC and signature: 72 zero bytes at the end. */
export function encodeMegolmMessage(index: number, ciphertext: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + varintBytes(index) + fieldBytes(ciphertext.length) + TAIL_BYTES);
  bytes[0] = VERSION;
  bytes[1] = INDEX_TAG;
  const at = writeVarint(bytes, 2, index);
  writeField(bytes, at, CIPHERTEXT_TAG, ciphertext);
  return bytes;
}

/** The plaintext. The signature is the caller's to check, before. @throws CryptoError MAC or PADDING */
export function decryptMegolmMessage(
  provider: CryptoProvider,
  ratchet: MegolmRatchet,
  message: DecodedMegolmMessage,
): Uint8Array {
  return withKeys(provider, ratchet.bytes, KEYS_INFO, (keys) => {
    keys.verify(message.authenticated, message.mac, "Megolm message");
    return keys.decrypt(message.ciphertext);
  });
}
