// The pickle of a dehydrated device (MSC3814): a device that waits on the server, its private keys sealed under a key in secret storage.
//
//   version u32 BE = 1 | Curve25519 secret 32 | Ed25519 seed 32 | count u32 BE | count x one-time secret 32 | has fallback 1 | [fallback secret 32]
//   device_pickle = base64(ChaCha20-Poly1305(pickle)), nonce = base64 of 12 random bytes, no associated data
//
// The proposal's text says version 0x80000000; vodozemac writes and takes 1 only. So 1 is written and both are read.
// What a dehydrated device receives is decrypted with these keys by olm/; its IDs, upload and trust belong to the machine.
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { CryptoError } from "./errors.ts";
import { DEHYDRATED_ONE_TIME_KEYS_MAX } from "./limits.ts";
import type { CryptoProvider } from "./provider.ts";
import { concatBytes, requireBytes, requireObject, stringMember } from "./shape.ts";

/** What matrix-sdk-crypto writes and expects: the unstable name. */
export const DEHYDRATION_ALGORITHM = "org.matrix.msc3814.v2";

const VERSIONS: readonly number[] = [1, 0x8000_0000];
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const FIXED_BYTES = 4 + 2 * KEY_BYTES + 4;
const NO_DATA: Uint8Array = new Uint8Array(0);

/** The secret keys of a dehydrated device, 32 bytes each. The caller fills them with zeros when done. */
export interface DehydratedKeys {
  readonly curve25519: Uint8Array;
  /** The seed: libolm's expanded keys cannot be dehydrated. */
  readonly ed25519: Uint8Array;
  readonly oneTimeKeys: readonly Uint8Array[];
  readonly fallbackKey: Uint8Array | null;
}

/** The `device_data` of the upload. */
export interface DehydratedDeviceData {
  readonly algorithm: typeof DEHYDRATION_ALGORITHM;
  /** Unpadded base64. */
  readonly device_pickle: string;
  /** 12 bytes, unpadded base64. */
  readonly nonce: string;
}

/** Seals the keys. `key`: 32 bytes. @throws RangeError for a key of another length, or more than 5,000 one-time keys */
export function sealDehydratedDevice(
  provider: CryptoProvider,
  key: Uint8Array,
  device: DehydratedKeys,
): DehydratedDeviceData {
  const plaintext = encodeKeys(device);
  const nonce = provider.random(NONCE_BYTES);
  const sealed = provider.seal(key, nonce, plaintext, NO_DATA);
  plaintext.fill(0);
  return {
    algorithm: DEHYDRATION_ALGORITHM,
    device_pickle: encodeBase64(sealed),
    nonce: encodeBase64(nonce),
  };
}

/**
 * Opens the `device_data` that a server gave, untrusted.
 *
 * @throws CryptoError UNSUPPORTED for another algorithm, MAC (another key, or damaged), VERSION, FORMAT, BASE64
 */
export function openDehydratedDevice(
  provider: CryptoProvider,
  key: Uint8Array,
  deviceData: unknown,
): DehydratedKeys {
  const data = requireObject(deviceData, "device_data");
  const algorithm = stringMember(data, "algorithm", "device_data");
  if (algorithm !== DEHYDRATION_ALGORITHM) {
    const found = JSON.stringify(algorithm.slice(0, 80));
    throw new CryptoError("UNSUPPORTED", `device_data: expected ${DEHYDRATION_ALGORITHM}, found ${found}`);
  }
  const nonce = requireBytes(
    decodeBase64(stringMember(data, "nonce", "device_data")),
    NONCE_BYTES,
    "device_data.nonce",
  );
  const sealed = decodeBase64(stringMember(data, "device_pickle", "device_data"));
  const plaintext = provider.open(key, nonce, sealed, NO_DATA);
  try {
    return parseKeys(plaintext);
  } finally {
    plaintext.fill(0);
  }
}

function encodeKeys(device: DehydratedKeys): Uint8Array {
  const count = device.oneTimeKeys.length;
  if (count > DEHYDRATED_ONE_TIME_KEYS_MAX) {
    throw new RangeError(
      `dehydrated device: expected at most ${DEHYDRATED_ONE_TIME_KEYS_MAX} one-time keys, got ${count}`,
    );
  }
  const fallback = device.fallbackKey === null ? [] : [device.fallbackKey];
  const secrets = [device.curve25519, device.ed25519, ...device.oneTimeKeys, ...fallback];
  if (secrets.some((secret) => secret.length !== KEY_BYTES)) {
    throw new RangeError("dehydrated device: expected keys of 32 bytes each");
  }
  return concatBytes(
    u32(1),
    device.curve25519,
    device.ed25519,
    u32(count),
    ...device.oneTimeKeys,
    Uint8Array.of(fallback.length),
    ...fallback,
  );
}

function parseKeys(bytes: Uint8Array): DehydratedKeys {
  if (bytes.length < FIXED_BYTES + 1) throw fault(`at least ${FIXED_BYTES + 1} bytes`, bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(0);
  if (!VERSIONS.includes(version)) {
    throw new CryptoError("VERSION", `dehydrated device: expected version 1, found ${version}`);
  }
  const count = view.getUint32(FIXED_BYTES - 4);
  if (count > DEHYDRATED_ONE_TIME_KEYS_MAX)
    throw fault(`at most ${DEHYDRATED_ONE_TIME_KEYS_MAX} one-time keys`, count);
  const flagAt = FIXED_BYTES + count * KEY_BYTES;
  const flag = bytes[flagAt];
  if (flag !== 0 && flag !== 1)
    throw new CryptoError("FORMAT", "dehydrated device: expected 0 or 1 after the one-time keys");
  const end = flagAt + 1 + flag * KEY_BYTES;
  if (bytes.length !== end) throw fault(`${end} bytes`, bytes.length);
  const secretAt = (at: number): Uint8Array => bytes.slice(at, at + KEY_BYTES);
  return {
    curve25519: secretAt(4),
    ed25519: secretAt(4 + KEY_BYTES),
    oneTimeKeys: Array.from({ length: count }, (_, i) => secretAt(FIXED_BYTES + i * KEY_BYTES)),
    fallbackKey: flag === 1 ? secretAt(flagAt + 1) : null,
  };
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

function fault(expected: string, found: number): CryptoError {
  return new CryptoError("FORMAT", `dehydrated device: expected ${expected}, found ${found}`);
}
