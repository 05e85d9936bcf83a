// libolm's account, version 4:
//
//   | Ed25519 pair 96 | X25519 pair 64 | count 4 | count x key 69 | fallback count 1 | fallback keys, 69 each | last key ID 4 |
//   key: | ID 4 | published 1 | X25519 pair 64 |          one-time keys newest first; current fallback key first
//
// Version 3 has no fallback count, but always two fallback keys that are there when marked as published; version 2 has none.
// "Last key ID" is the one given last (libolm counts before it gives). Taken for the next one, the next key would
// replace the newest one, under which messages may be under way (vodozemac issue 382).
import { CryptoError } from "../errors.ts";
import type { AccountState } from "../olm/account.ts";
import { ONE_TIME_KEYS_MAX } from "../olm/limits.ts";
import type { StoredOneTimeKey } from "../olm/one-time-keys.ts";
import type { CryptoProvider } from "../provider.ts";
import type { BinaryReader, BinaryWriter } from "./binary.ts";
import { readEd25519, readX25519, writeEd25519, writeX25519 } from "./libolm-keys.ts";
import { FALLBACK_KEYS_MAX } from "./limits.ts";

export const ACCOUNT_VERSION = 4;
export const ACCOUNT_VERSIONS: readonly number[] = [4, 3, 2];
const UINT32_MAX = 0xffff_ffff;

export function writeAccount(provider: CryptoProvider, writer: BinaryWriter, state: AccountState): void {
  if (state.nextKeyId - 1 > UINT32_MAX) {
    throw new CryptoError(
      "UNSUPPORTED",
      `libolm account: key ID ${state.nextKeyId - 1} does not fit 32 bits`,
    );
  }
  writeEd25519(provider, writer, state.signingKey);
  writeX25519(writer, state.identityKey);
  writer.uint32(state.oneTimeKeys.length);
  for (const key of state.oneTimeKeys.toReversed()) writeKey(writer, key);
  const fallbackKeys = [state.fallbackKey, state.previousFallbackKey].filter((key) => key !== null);
  writer.uint8(fallbackKeys.length);
  for (const key of fallbackKeys) writeKey(writer, key);
  writer.uint32(state.nextKeyId - 1);
}

export function readAccount(provider: CryptoProvider, reader: BinaryReader, version: number): AccountState {
  const signingKey = readEd25519(provider, reader);
  const identityKey = readX25519(provider, reader);
  const oneTimeKeys = reader
    .list(reader.uint32(), ONE_TIME_KEYS_MAX, () => readKey(provider, reader))
    .reverse()
    .sort((a, b) => a.id - b.id);
  const [fallbackKey = null, previousFallbackKey = null] = readFallbackKeys(provider, reader, version);
  const lastKeyId = reader.uint32();
  // A writer that counts fallback keys apart may have given higher IDs than it says.
  const ids = [
    lastKeyId,
    ...oneTimeKeys.map((key) => key.id),
    fallbackKey?.id ?? 0,
    previousFallbackKey?.id ?? 0,
  ];
  return {
    signingKey,
    identityKey,
    oneTimeKeys,
    fallbackKey,
    previousFallbackKey,
    nextKeyId: ids.reduce((most, id) => Math.max(most, id)) + 1,
  };
}

function readFallbackKeys(
  provider: CryptoProvider,
  reader: BinaryReader,
  version: number,
): StoredOneTimeKey[] {
  if (version === 2) return [];
  if (version === 3) return readFallbackKeys3(provider, reader);
  return reader.list(reader.uint8(), FALLBACK_KEYS_MAX, () => readKey(provider, reader));
}

/** The current key and the previous one, each there if marked as published; else its place holds zeros, which are no pair to check. */
function readFallbackKeys3(provider: CryptoProvider, reader: BinaryReader): StoredOneTimeKey[] {
  const [current, previous] = [readPlace(reader), readPlace(reader)];
  const there = [current, previous].slice(0, current.published ? (previous.published ? 2 : 1) : 0);
  return there.map(({ id, secret }) => ({ id, pair: provider.importX25519(secret), published: true }));
}

function readPlace(reader: BinaryReader): { id: number; published: boolean; secret: Uint8Array } {
  const id = reader.uint32();
  const published = reader.bool();
  reader.bytes(32);
  return { id, published, secret: reader.bytes(32) };
}

function writeKey(writer: BinaryWriter, key: StoredOneTimeKey): void {
  writer.uint32(key.id).bool(key.published);
  writeX25519(writer, key.pair);
}

function readKey(provider: CryptoProvider, reader: BinaryReader): StoredOneTimeKey {
  return { id: reader.uint32(), published: reader.bool(), pair: readX25519(provider, reader) };
}
