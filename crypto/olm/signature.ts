// Signatures of other devices and users: Ed25519 over bytes (specification: Appendices, "Signing details").
import { decodeBase64 } from "../base64.ts";
import { CryptoError } from "../errors.ts";
import type { CryptoProvider } from "../provider.ts";
import { encodeUtf8 } from "../shape.ts";

/**
 * Returns when `signature` (base64) is that of the message (a text counts as its UTF-8) under `publicKey` (base64).
 * @throws CryptoError SIGNATURE when it is not; BASE64, FORMAT or SMALL_ORDER when key or signature are none
 */
export function verifySignature(
  provider: CryptoProvider,
  publicKey: string,
  message: Uint8Array | string,
  signature: string,
): void {
  const key = provider.importEd25519Public(decodeBase64(publicKey));
  const bytes = typeof message === "string" ? encodeUtf8(message) : message;
  if (!key.verify(bytes, decodeBase64(signature))) {
    throw new CryptoError("SIGNATURE", "Ed25519 signature: it does not hold for this message and key");
  }
}
