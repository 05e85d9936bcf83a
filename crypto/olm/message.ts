// Olm messages on the wire (specification: Olm, "Message format").
//
//   normal:   | 0x03 | 0x0A 32 ratchet key | 0x10 index | 0x22 length ciphertext | MAC 8 |
//             the MAC covers everything before it
//   pre-key:  | 0x03 | 0x0A 32 one-time key | 0x12 32 base key | 0x1A 32 identity key | 0x22 length normal message |
//             no MAC of its own; goolm writes 0x1A before 0x12
//
// The index is always written, also when it is 0 (protobuf libraries leave it out, and libolm cannot read that).
// The ciphertext has tag 4, not 3. Version 4 (a MAC of 32 bytes) is not in the specification and is refused.
import { MAC_BYTES } from "../aes-sha2.ts";
import { CryptoError } from "../errors.ts";
import { fieldBytes, readFields, StrictReader, varintBytes, writeField, writeVarint } from "../wire.ts";

const VERSION = 3;
const RATCHET_KEY_TAG = 0x0a;
const INDEX_TAG = 0x10;
const CIPHERTEXT_TAG = 0x22;
const ONE_TIME_KEY_TAG = 0x0a;
const BASE_KEY_TAG = 0x12;
const IDENTITY_KEY_TAG = 0x1a;
const MESSAGE_TAG = 0x22;
const PRE_KEY_TAGS = [ONE_TIME_KEY_TAG, BASE_KEY_TAG, IDENTITY_KEY_TAG, MESSAGE_TAG] as const;
const KEY_BYTES = 32;

/** A normal message, its parts as views on its bytes. Nothing in it is authenticated yet. */
export interface DecodedMessage {
  /** The sender's ratchet key, 32 bytes. */
  readonly ratchetKey: Uint8Array;
  readonly index: number;
  /** At least one byte; whole blocks is for the cipher to check. */
  readonly ciphertext: Uint8Array;
  /** Everything that the MAC covers. */
  readonly authenticated: Uint8Array;
  /** 8 bytes. */
  readonly mac: Uint8Array;
}

/** The three public keys that make a session, 32 bytes each; "Alice" is who began it. */
export interface SessionKeys {
  /** Alice's identity key. */
  readonly identityKey: Uint8Array;
  /** Alice's base key, made for this session. */
  readonly baseKey: Uint8Array;
  /** Bob's one-time or fallback key. */
  readonly oneTimeKey: Uint8Array;
}

/** A pre-key message, as views on its bytes. */
export interface DecodedPreKeyMessage extends SessionKeys {
  readonly message: DecodedMessage;
}

/** @throws CryptoError VERSION or FORMAT, on every encoding but the one above */
export function decodeMessage(bytes: Uint8Array): DecodedMessage {
  const end = bytes.length - MAC_BYTES;
  if (end < 1)
    throw new CryptoError(
      "FORMAT",
      `Olm message: expected more than ${MAC_BYTES} bytes, found ${bytes.length}`,
    );
  const authenticated = bytes.subarray(0, end);
  const reader = new StrictReader(authenticated, "Olm message");
  reader.version(VERSION);
  const ratchetKey = requireKey(reader.bytes(RATCHET_KEY_TAG), "Olm message: ratchet key");
  const index = reader.uint32(INDEX_TAG);
  const ciphertext = reader.bytes(CIPHERTEXT_TAG);
  reader.end();
  if (ciphertext.length === 0)
    throw new CryptoError("FORMAT", "Olm message: expected a ciphertext, found an empty one");
  return { ratchetKey, index, ciphertext, authenticated, mac: bytes.subarray(end) };
}

/** The message with room for its MAC: 8 zero bytes at the end, which the caller overwrites with the MAC of what precedes them. */
export function encodeMessage(ratchetKey: Uint8Array, index: number, ciphertext: Uint8Array): Uint8Array {
  const length =
    1 + fieldBytes(KEY_BYTES) + 1 + varintBytes(index) + fieldBytes(ciphertext.length) + MAC_BYTES;
  const bytes = new Uint8Array(length);
  bytes[0] = VERSION;
  let at = writeField(bytes, 1, RATCHET_KEY_TAG, ratchetKey);
  bytes[at] = INDEX_TAG;
  at = writeVarint(bytes, at + 1, index);
  writeField(bytes, at, CIPHERTEXT_TAG, ciphertext);
  return bytes;
}

/** @throws CryptoError VERSION or FORMAT; the inner message is read as strictly as `decodeMessage` does */
export function decodePreKeyMessage(bytes: Uint8Array): DecodedPreKeyMessage {
  const what = "Olm pre-key message";
  if (bytes.length === 0) throw new CryptoError("FORMAT", `${what}: expected a version, found nothing`);
  if (bytes[0] !== VERSION)
    throw new CryptoError("VERSION", `${what}: expected version ${VERSION}, found ${bytes[0]}`);
  const fields = readFields(bytes, 1, PRE_KEY_TAGS, what);
  const key = (tag: (typeof PRE_KEY_TAGS)[number], name: string): Uint8Array =>
    requireKey(fields.get(tag), `${what}: ${name} key`);
  return {
    oneTimeKey: key(ONE_TIME_KEY_TAG, "one-time"),
    baseKey: key(BASE_KEY_TAG, "base"),
    identityKey: key(IDENTITY_KEY_TAG, "identity"),
    message: decodeMessage(fields.get(MESSAGE_TAG) ?? new Uint8Array(0)),
  };
}

/** A pre-key message around a whole normal message (MAC included). */
export function encodePreKeyMessage(keys: SessionKeys, message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + 3 * fieldBytes(KEY_BYTES) + fieldBytes(message.length));
  bytes[0] = VERSION;
  let at = writeField(bytes, 1, ONE_TIME_KEY_TAG, keys.oneTimeKey);
  at = writeField(bytes, at, BASE_KEY_TAG, keys.baseKey);
  at = writeField(bytes, at, IDENTITY_KEY_TAG, keys.identityKey);
  writeField(bytes, at, MESSAGE_TAG, message);
  return bytes;
}

function requireKey(bytes: Uint8Array | undefined, what: string): Uint8Array {
  if (bytes?.length === KEY_BYTES) return bytes;
  const found = bytes === undefined ? "none" : `${bytes.length}`;
  throw new CryptoError("FORMAT", `${what}: expected ${KEY_BYTES} bytes, found ${found}`);
}
