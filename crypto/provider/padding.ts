// PKCS#7 padding (RFC 5652 section 6.3) for AES-256-CBC, ours in both providers so that both refuse the same paddings.
// Every caller checks a MAC over the ciphertext first, so what the time of `unpad` tells is known to the sender already.
import { CryptoError } from "../errors.ts";
import { AES_BLOCK_BYTES } from "./checks.ts";

/** The plaintext with 1 to 16 bytes of padding, in a fresh array. */
export function pad(plaintext: Uint8Array): Uint8Array {
  const padding = AES_BLOCK_BYTES - (plaintext.length % AES_BLOCK_BYTES);
  const padded = new Uint8Array(plaintext.length + padding);
  padded.set(plaintext);
  padded.fill(padding, plaintext.length);
  return padded;
}

/** @throws CryptoError PADDING unless there is at least one whole block. */
export function requireBlocks(ciphertext: Uint8Array): void {
  if (ciphertext.length === 0 || ciphertext.length % AES_BLOCK_BYTES !== 0) {
    throw new CryptoError(
      "PADDING",
      `AES-CBC ciphertext: expected a positive multiple of ${AES_BLOCK_BYTES} bytes, got ${ciphertext.length}`,
    );
  }
}

/** A copy without its padding; the padded array is filled with zeros. @throws CryptoError PADDING */
export function unpad(padded: Uint8Array): Uint8Array {
  const padding = padded[padded.length - 1] ?? 0;
  const start = padded.length - padding;
  let wrong = padding === 0 || padding > AES_BLOCK_BYTES ? 1 : 0;
  for (let i = Math.max(start, 0); i < padded.length; i += 1) wrong |= (padded[i] ?? 0) ^ padding;
  const plaintext = wrong === 0 ? new Uint8Array(padded.subarray(0, start)) : null;
  padded.fill(0);
  if (plaintext === null)
    throw new CryptoError("PADDING", "AES-CBC plaintext: expected PKCS#7 padding, found none");
  return plaintext;
}
