// A chain of the double ratchet: C(i,j+1) = HMAC(C(i,j), 0x02), and the message key M(i,j) = HMAC(C(i,j), 0x01)
// (specification: Olm, "Message keys and chain keys"). Values are never changed: the next state is a new one.
import type { CryptoProvider } from "../provider.ts";

const MESSAGE_KEY_SEED: Uint8Array = Uint8Array.of(1);
const CHAIN_KEY_SEED: Uint8Array = Uint8Array.of(2);

/** `key` (32 bytes) makes the message with this `index`. */
export interface ChainKey {
  readonly key: Uint8Array;
  readonly index: number;
}

export function firstChainKey(key: Uint8Array): ChainKey {
  return { key, index: 0 };
}

export function nextChainKey(provider: CryptoProvider, chain: ChainKey): ChainKey {
  return { key: provider.hmacSha256(chain.key, CHAIN_KEY_SEED), index: chain.index + 1 };
}

/** 32 bytes. Whoever used it fills it with zeros. */
export function messageKey(provider: CryptoProvider, chain: ChainKey): Uint8Array {
  return provider.hmacSha256(chain.key, MESSAGE_KEY_SEED);
}
