// The one-time keys of an account (specification: Client-Server API, "One-time and fallback keys"). Pure values, oldest first.
// An ID is a 64-bit counter, big-endian, as 11 characters of unpadded base64 (vodozemac's form). IDs are never reused, fallback keys included:
// a server that once saw an ID with another key refuses the whole upload for ever.
import { encodeBase64 } from "../base64.ts";
import type { CryptoProvider, X25519KeyPair } from "../provider.ts";
import { ONE_TIME_KEYS_MAX } from "./limits.ts";

/** One key as it is uploaded: `key` is an X25519 public key, unpadded base64. */
export interface OneTimeKey {
  readonly id: string;
  readonly key: string;
}

/** One key as the account holds it. `id` is the counter. */
export interface StoredOneTimeKey {
  readonly id: number;
  readonly pair: X25519KeyPair;
  readonly published: boolean;
}

const ID_BYTES = 8;

export function encodeKeyId(id: number): string {
  const bytes = new Uint8Array(ID_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(id));
  return encodeBase64(bytes);
}

export function publicOneTimeKey(key: StoredOneTimeKey): OneTimeKey {
  return { id: encodeKeyId(key.id), key: encodeBase64(key.pair.publicKey) };
}

/**
 * `keys` with `count` new ones, which take the IDs from `firstId`. Beyond ONE_TIME_KEYS_MAX the oldest are dropped: those were published first
 * (keys are published all at once), and the server has given them out long ago.
 */
export function addOneTimeKeys(
  provider: CryptoProvider,
  keys: readonly StoredOneTimeKey[],
  firstId: number,
  count: number,
): {
  readonly keys: readonly StoredOneTimeKey[];
  readonly created: readonly StoredOneTimeKey[];
  readonly dropped: readonly StoredOneTimeKey[];
} {
  const created = Array.from({ length: count }, (_, i) => ({
    id: firstId + i,
    pair: provider.generateX25519(),
    published: false,
  }));
  const all = [...keys, ...created];
  const surplus = Math.max(all.length - ONE_TIME_KEYS_MAX, 0);
  return { keys: all.slice(surplus), created, dropped: all.slice(0, surplus) };
}
