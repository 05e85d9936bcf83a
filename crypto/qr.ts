// The bytes of a verification QR code (specification: QR codes, QR code format; the whole of it). Drawing one is the agent's matter.
//
//   "MATRIX" | 02 | mode | length u16 BE | flow ID, UTF-8 | first key 32 | second key 32 | secret, the rest
//
// Which key stands where depends on the mode, and mixing up modes 1 and 2 is the classic mistake: here each mode has names for its keys.
import { CryptoError } from "./errors.ts";
import { QR_BYTES_MAX, QR_SECRET_BYTES_MIN } from "./limits.ts";
import type { CryptoProvider } from "./provider.ts";
import { concatBytes, decodeUtf8, encodeUtf8 } from "./shape.ts";

const PREFIX = "MATRIX";
const VERSION = 2;
const KEY_BYTES = 32;
const HEAD_BYTES = PREFIX.length + 1 + 1 + 2;
/** What matrix-sdk-crypto writes; the specification suggests "about 8". */
const SECRET_BYTES = 16;

interface QrCommon {
  /** The event ID or transaction ID of the verification request. */
  readonly flowId: string;
  /** At least 8 bytes; sent back in the start with `m.reciprocate.v1`. */
  readonly secret: Uint8Array;
}

/**
 * What a QR code says, from the point of view of the device that shows it. Keys are Ed25519 public keys, 32 bytes.
 *
 * - `other_user` (mode 0): two users verify each other.
 * - `self_trusting` (mode 1): of one user's two devices, the one that shows the code trusts the master key.
 * - `self_untrusting` (mode 2): the one that shows it does not yet.
 */
export type QrVerification =
  | (QrCommon & {
      readonly mode: "other_user";
      readonly ownMasterKey: Uint8Array;
      readonly theirMasterKey: Uint8Array;
    })
  | (QrCommon & {
      readonly mode: "self_trusting";
      readonly masterKey: Uint8Array;
      readonly otherDeviceKey: Uint8Array;
    })
  | (QrCommon & {
      readonly mode: "self_untrusting";
      readonly ownDeviceKey: Uint8Array;
      readonly masterKey: Uint8Array;
    });

/** A new secret for a code. */
export function generateQrSecret(provider: CryptoProvider): Uint8Array {
  return provider.random(SECRET_BYTES);
}

/**
 * The bytes to draw, as one segment in byte mode.
 *
 * @throws RangeError for keys of another length than 32, a secret shorter than 8, an empty flow ID, or more than a QR code can hold
 */
export function encodeQrVerification(code: QrVerification): Uint8Array {
  const flowId = encodeUtf8(code.flowId);
  const [mode, first, second] = keysInOrder(code);
  if (first.length !== KEY_BYTES || second.length !== KEY_BYTES) {
    throw new RangeError(`QR code: expected keys of 32 bytes, got ${first.length} and ${second.length}`);
  }
  if (code.secret.length < QR_SECRET_BYTES_MIN || flowId.length === 0) {
    throw new RangeError(`QR code: expected a flow ID and a secret of at least ${QR_SECRET_BYTES_MIN} bytes`);
  }
  const head = Uint8Array.of(VERSION, mode, flowId.length >> 8, flowId.length & 0xff);
  const bytes = concatBytes(encodeUtf8(PREFIX), head, flowId, first, second, code.secret);
  if (bytes.length > QR_BYTES_MAX) {
    throw new RangeError(`QR code: expected at most ${QR_BYTES_MAX} bytes, got ${bytes.length}`);
  }
  return bytes;
}

/**
 * Reads the bytes of a scanned code. Compare flow ID and keys with the expected ones before anything else.
 *
 * @throws CryptoError FORMAT when it is no such code or is cut short, VERSION, UNSUPPORTED for an unknown mode
 */
export function parseQrVerification(bytes: Uint8Array): QrVerification {
  if (bytes.length > QR_BYTES_MAX) throw fault(`at most ${QR_BYTES_MAX} bytes`, bytes.length);
  if (bytes.length < HEAD_BYTES) throw fault(`at least ${HEAD_BYTES} bytes`, bytes.length);
  if (encodeUtf8(PREFIX).some((byte, i) => bytes[i] !== byte)) {
    throw new CryptoError("FORMAT", `QR code: expected "${PREFIX}" at its start: not a Matrix verification`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(PREFIX.length);
  if (version !== VERSION) {
    throw new CryptoError("VERSION", `QR code: expected version ${VERSION}, found ${version}`);
  }
  const keysAt = HEAD_BYTES + view.getUint16(HEAD_BYTES - 2);
  const secretAt = keysAt + 2 * KEY_BYTES;
  if (keysAt === HEAD_BYTES)
    throw new CryptoError("FORMAT", "QR code: expected a flow ID, found an empty one");
  if (bytes.length < secretAt + QR_SECRET_BYTES_MIN) {
    throw fault(
      `at least ${secretAt + QR_SECRET_BYTES_MIN} bytes for its flow ID, keys and secret`,
      bytes.length,
    );
  }
  const common = {
    flowId: decodeUtf8(bytes.subarray(HEAD_BYTES, keysAt), "QR code's flow ID"),
    secret: bytes.slice(secretAt),
  };
  const first = bytes.slice(keysAt, keysAt + KEY_BYTES);
  return withKeys(view.getUint8(PREFIX.length + 1), common, first, bytes.slice(keysAt + KEY_BYTES, secretAt));
}

function withKeys(mode: number, common: QrCommon, first: Uint8Array, second: Uint8Array): QrVerification {
  switch (mode) {
    case 0:
      return { mode: "other_user", ...common, ownMasterKey: first, theirMasterKey: second };
    case 1:
      return { mode: "self_trusting", ...common, masterKey: first, otherDeviceKey: second };
    case 2:
      return { mode: "self_untrusting", ...common, ownDeviceKey: first, masterKey: second };
    default:
      throw new CryptoError("UNSUPPORTED", `QR code: expected mode 0, 1 or 2, found ${mode}`);
  }
}

function keysInOrder(code: QrVerification): readonly [mode: number, first: Uint8Array, second: Uint8Array] {
  switch (code.mode) {
    case "other_user":
      return [0, code.ownMasterKey, code.theirMasterKey];
    case "self_trusting":
      return [1, code.masterKey, code.otherDeviceKey];
    case "self_untrusting":
      return [2, code.ownDeviceKey, code.masterKey];
  }
}

function fault(expected: string, found: number): CryptoError {
  return new CryptoError("FORMAT", `QR code: expected ${expected}, found ${found}`);
}
