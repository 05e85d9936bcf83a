// How libolm encrypts a pickle, whatever is inside:
//
//   base64( AES-256-CBC(plaintext) || first 8 bytes of HMAC-SHA-256 over the ciphertext )
//   keys and IV: HKDF-SHA-256(salt 0, pickle key, "Pickle", 80); the plaintext begins with a version of 4 bytes, big-endian
//
// Key and IV follow from the pickle key alone, so two pickles under one key show where their plaintexts begin to differ.
// That is the format, and the reason why our own store does not use it (own.ts).
import { MAC_BYTES, withKeys } from "../aes-sha2.ts";
import { decodeBase64, encodeBase64 } from "../base64.ts";
import { CryptoError } from "../errors.ts";
import type { CryptoProvider } from "../provider.ts";
import { concatBytes, encodeUtf8 } from "../shape.ts";
import { BinaryReader, BinaryWriter } from "./binary.ts";
import { LIBOLM_PICKLE_CHARS_MAX } from "./limits.ts";

const INFO: Uint8Array = encodeUtf8("Pickle");

/** Encrypts what `write` writes after the version. */
export function encryptPickle(
  provider: CryptoProvider,
  key: Uint8Array,
  version: number,
  write: (writer: BinaryWriter) => void,
): string {
  const writer = new BinaryWriter().uint32(version);
  write(writer);
  const plaintext = writer.finish();
  const bytes = withKeys(provider, key, INFO, (keys) => {
    const ciphertext = keys.encrypt(plaintext);
    return concatBytes(ciphertext, keys.mac(ciphertext));
  });
  plaintext.fill(0);
  return encodeBase64(bytes);
}

/**
 * Gives the version and a reader behind it to `read`, which must read to the end.
 * @throws CryptoError BASE64, FORMAT, MAC (another key, or damaged), PADDING, VERSION
 */
export function decryptPickle<Result>(
  provider: CryptoProvider,
  key: Uint8Array,
  pickle: string,
  versions: readonly number[],
  read: (reader: BinaryReader, version: number) => Result,
): Result {
  if (pickle.length > LIBOLM_PICKLE_CHARS_MAX) {
    throw new CryptoError("FORMAT", `libolm pickle: expected at most ${LIBOLM_PICKLE_CHARS_MAX} characters`);
  }
  const plaintext = decrypt(provider, key, decodeBase64(pickle));
  try {
    const reader = new BinaryReader(plaintext, "libolm pickle");
    const version = reader.uint32();
    if (!versions.includes(version)) {
      throw new CryptoError(
        "VERSION",
        `libolm pickle: expected version ${versions.join(" or ")}, found ${version}`,
      );
    }
    const result = read(reader, version);
    reader.end();
    return result;
  } finally {
    plaintext.fill(0);
  }
}

function decrypt(provider: CryptoProvider, key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const end = bytes.length - MAC_BYTES;
  if (end < 0) throw new CryptoError("FORMAT", `libolm pickle: expected a MAC, found ${bytes.length} bytes`);
  const ciphertext = bytes.subarray(0, end);
  return withKeys(provider, key, INFO, (keys) => {
    keys.verify(ciphertext, bytes.subarray(end), "libolm pickle");
    return keys.decrypt(ciphertext);
  });
}
