// Where an Olm session begins: the triple Diffie-Hellman (specification: Olm, "Initial setup").
//
//   S = ECDH(I_A, E_B) || ECDH(E_A, I_B) || ECDH(E_A, E_B)          I identity, E_A base key, E_B one-time key
//   HKDF-SHA-256(salt 0, S, "OLM_ROOT", 64) = root key 32 || chain key 32
//
// Every one of the three refuses keys of small order: with one of them a peer (or whoever relays for it) would choose part of the secret.
import type { CryptoProvider, X25519KeyPair } from "../provider.ts";
import { concatBytes, encodeUtf8 } from "../shape.ts";

const ROOT_INFO: Uint8Array = encodeUtf8("OLM_ROOT");
const NO_SALT: Uint8Array = new Uint8Array(0);
const KEY_BYTES = 32;

/** The first root key and the chain key of Alice's first chain. */
export interface RootAndChain {
  readonly rootKey: Uint8Array;
  readonly chainKey: Uint8Array;
}

/** Alice's side. @throws CryptoError SMALL_ORDER */
export function outboundSecret(
  provider: CryptoProvider,
  ours: { readonly identity: X25519KeyPair; readonly base: X25519KeyPair },
  theirs: { readonly identityKey: Uint8Array; readonly oneTimeKey: Uint8Array },
): RootAndChain {
  return expand(provider, ROOT_INFO, NO_SALT, [
    ours.identity.agree(theirs.oneTimeKey),
    ours.base.agree(theirs.identityKey),
    ours.base.agree(theirs.oneTimeKey),
  ]);
}

/** Bob's side. @throws CryptoError SMALL_ORDER */
export function inboundSecret(
  provider: CryptoProvider,
  ours: { readonly identity: X25519KeyPair; readonly oneTime: X25519KeyPair },
  theirs: { readonly identityKey: Uint8Array; readonly baseKey: Uint8Array },
): RootAndChain {
  return expand(provider, ROOT_INFO, NO_SALT, [
    ours.oneTime.agree(theirs.identityKey),
    ours.identity.agree(theirs.baseKey),
    ours.oneTime.agree(theirs.baseKey),
  ]);
}

/** HKDF over the shared secrets, which are filled with zeros. */
export function expand(
  provider: CryptoProvider,
  info: Uint8Array,
  salt: Uint8Array,
  shared: readonly Uint8Array[],
): RootAndChain {
  const secret = concatBytes(...shared);
  const derived = provider.hkdfSha256(salt, secret, info, 2 * KEY_BYTES);
  for (const part of [secret, ...shared]) part.fill(0);
  const rootKey = new Uint8Array(derived.subarray(0, KEY_BYTES));
  const chainKey = new Uint8Array(derived.subarray(KEY_BYTES));
  derived.fill(0);
  return { rootKey, chainKey };
}
