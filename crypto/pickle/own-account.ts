// The body of our pickled account:
//
//   | Ed25519 pair | X25519 pair 64 | next key ID 8 | count 4 | one-time keys, 73 each, oldest first |
//   | current fallback key there 1 | 73 or none | previous fallback key there 1 | 73 or none |
//   key: | ID 8 | published 1 | X25519 pair 64 |
import type { AccountState } from "../olm/account.ts";
import { ONE_TIME_KEYS_MAX } from "../olm/limits.ts";
import type { StoredOneTimeKey } from "../olm/one-time-keys.ts";
import type { CryptoProvider } from "../provider.ts";
import type { BinaryReader, BinaryWriter } from "./binary.ts";
import { readEd25519, readX25519, writeEd25519, writeX25519 } from "./own-keys.ts";

export function writeAccount(writer: BinaryWriter, state: AccountState): void {
  writeEd25519(writer, state.signingKey);
  writeX25519(writer, state.identityKey);
  writer.uint64(state.nextKeyId).uint32(state.oneTimeKeys.length);
  for (const key of state.oneTimeKeys) writeKey(writer, key);
  for (const key of [state.fallbackKey, state.previousFallbackKey]) {
    writer.bool(key !== null);
    if (key) writeKey(writer, key);
  }
}

export function readAccount(provider: CryptoProvider, reader: BinaryReader): AccountState {
  const readOptional = (): StoredOneTimeKey | null => (reader.bool() ? readKey(provider, reader) : null);
  return {
    signingKey: readEd25519(provider, reader),
    identityKey: readX25519(provider, reader),
    nextKeyId: readId(reader),
    oneTimeKeys: reader.list(reader.uint32(), ONE_TIME_KEYS_MAX, () => readKey(provider, reader)),
    fallbackKey: readOptional(),
    previousFallbackKey: readOptional(),
  };
}

function writeKey(writer: BinaryWriter, key: StoredOneTimeKey): void {
  writer.uint64(key.id).bool(key.published);
  writeX25519(writer, key.pair);
}

function readKey(provider: CryptoProvider, reader: BinaryReader): StoredOneTimeKey {
  return { id: readId(reader), published: reader.bool(), pair: readX25519(provider, reader) };
}

function readId(reader: BinaryReader): number {
  return reader.uint64(Number.MAX_SAFE_INTEGER);
}
