// Key pairs inside libolm's pickles.
//
//   X25519:  | public 32 | secret 32 |
//   Ed25519: | public 32 | expanded secret 64 |      SHA-512 of the seed, its first half clamped; the seed itself is gone
import type { CryptoProvider, Ed25519KeyPair, X25519KeyPair } from "../provider.ts";
import type { BinaryReader, BinaryWriter } from "./binary.ts";

const KEY_BYTES = 32;
const EXPANDED_BYTES = 64;

export function writeX25519(writer: BinaryWriter, pair: X25519KeyPair): void {
  writer.bytes(pair.publicKey).secret(pair.exportSecret());
}

/** @throws CryptoError FORMAT when the halves do not belong together */
export function readX25519(provider: CryptoProvider, reader: BinaryReader): X25519KeyPair {
  const publicKey = reader.bytes(KEY_BYTES);
  const secret = reader.bytes(KEY_BYTES);
  const pair = provider.importX25519(secret);
  secret.fill(0);
  if (!provider.equal(pair.publicKey, publicKey)) throw reader.fault("expected a key pair, found two keys");
  return pair;
}

export function writeEd25519(provider: CryptoProvider, writer: BinaryWriter, pair: Ed25519KeyPair): void {
  const secret = pair.exportSecret();
  writer.bytes(pair.publicKey);
  if (pair.form === "expanded") {
    writer.secret(secret);
    return;
  }
  const expanded = provider.sha512(secret);
  secret.fill(0);
  // RFC 8032 section 5.1.5, step 2.
  expanded[0] = (expanded[0] ?? 0) & 0xf8;
  expanded[31] = ((expanded[31] ?? 0) & 0x7f) | 0x40;
  writer.secret(expanded);
}

/** @throws CryptoError FORMAT when the halves do not belong together */
export function readEd25519(provider: CryptoProvider, reader: BinaryReader): Ed25519KeyPair {
  const publicKey = reader.bytes(KEY_BYTES);
  const expanded = reader.bytes(EXPANDED_BYTES);
  const pair = provider.importEd25519Expanded(expanded);
  expanded.fill(0);
  if (!provider.equal(pair.publicKey, publicKey)) throw reader.fault("expected a key pair, found two keys");
  return pair;
}
