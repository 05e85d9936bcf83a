// Key pairs inside our own pickles. The public half lies beside the secret, so that nothing has to be derived on loading:
// both are sealed by one tag.
//
//   X25519:  | secret 32 | public 32 |
//   Ed25519: | form 1 | seed 32 or expanded secret 64 | public 32 |        form 0: seed, 1: expanded (once libolm's)
import type { CryptoProvider, Ed25519KeyPair, X25519KeyPair } from "../provider.ts";
import type { BinaryReader, BinaryWriter } from "./binary.ts";

const KEY_BYTES = 32;
const EXPANDED_BYTES = 64;

export function writeX25519(writer: BinaryWriter, pair: X25519KeyPair): void {
  writer.secret(pair.exportSecret()).bytes(pair.publicKey);
}

export function readX25519(provider: CryptoProvider, reader: BinaryReader): X25519KeyPair {
  const secret = reader.bytes(KEY_BYTES);
  const pair = provider.importX25519(secret, reader.bytes(KEY_BYTES));
  secret.fill(0);
  return pair;
}

export function writeEd25519(writer: BinaryWriter, pair: Ed25519KeyPair): void {
  writer
    .bool(pair.form === "expanded")
    .secret(pair.exportSecret())
    .bytes(pair.publicKey);
}

export function readEd25519(provider: CryptoProvider, reader: BinaryReader): Ed25519KeyPair {
  const expanded = reader.bool();
  const secret = reader.bytes(expanded ? EXPANDED_BYTES : KEY_BYTES);
  const publicKey = reader.bytes(KEY_BYTES);
  const pair = expanded
    ? provider.importEd25519Expanded(secret, publicKey)
    : provider.importEd25519(secret, publicKey);
  secret.fill(0);
  return pair;
}
