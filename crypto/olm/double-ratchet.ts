// The sending half of the double ratchet, a state machine of two states (specification: Olm, "The Olm cryptographic ratchet").
//
//   active    we have a ratchet key T(i) of our own and a chain that it began: we send from it
//   inactive  the peer answered with a ratchet key T(i+1): our old one is of no use any more, a new one is made when we next send
//
//              encrypt: new T, HKDF(salt R, ECDH(T, theirs), "OLM_RATCHET", 64) -> R', chain key
//   inactive ---------------------------------------------------------------------------------> active
//            <---------------------------------------------------------------------------------
//              a message under a ratchet key that is new: HKDF(salt R, ECDH(T, theirs), ...) -> R', receiver chain
//
// States are values; transitions return the next one. Whoever holds a state replaces it when the whole operation has succeeded.
import { MAC_BYTES, withKeys } from "../aes-sha2.ts";
import { CryptoError } from "../errors.ts";
import type { CryptoProvider, X25519KeyPair } from "../provider.ts";
import { encodeUtf8 } from "../shape.ts";
import { type ChainKey, firstChainKey, messageKey, nextChainKey } from "./chain-key.ts";
import { CHAIN_INDEX_MAX } from "./limits.ts";
import { encodeMessage } from "./message.ts";
import { MESSAGE_KEYS_INFO, newReceiverChain, type ReceiverChain } from "./receiver-chain.ts";
import { expand } from "./shared-secret.ts";

const RATCHET_INFO: Uint8Array = encodeUtf8("OLM_RATCHET");

export interface ActiveRatchet {
  readonly kind: "active";
  readonly rootKey: Uint8Array;
  readonly ratchetKey: X25519KeyPair;
  readonly chain: ChainKey;
}

export interface InactiveRatchet {
  readonly kind: "inactive";
  readonly rootKey: Uint8Array;
  readonly theirRatchetKey: Uint8Array;
}

export type DoubleRatchet = ActiveRatchet | InactiveRatchet;

/** A whole normal message, MAC included, and the state after it. @throws CryptoError UNSUPPORTED when the chain has no index left */
export function encryptWith(
  provider: CryptoProvider,
  ratchet: DoubleRatchet,
  plaintext: Uint8Array,
): { readonly ratchet: ActiveRatchet; readonly message: Uint8Array } {
  const active = ratchet.kind === "active" ? ratchet : activate(provider, ratchet);
  const { chain } = active;
  if (chain.index > CHAIN_INDEX_MAX) {
    throw new CryptoError(
      "UNSUPPORTED",
      "Olm session: its chain has no message index left; begin a new session",
    );
  }
  const key = messageKey(provider, chain);
  const message = withKeys(provider, key, MESSAGE_KEYS_INFO, (keys) => {
    const bytes = encodeMessage(active.ratchetKey.publicKey, chain.index, keys.encrypt(plaintext));
    const end = bytes.length - MAC_BYTES;
    bytes.set(keys.mac(bytes.subarray(0, end)), end);
    return bytes;
  });
  key.fill(0);
  return { ratchet: { ...active, chain: nextChainKey(provider, chain) }, message };
}

/**
 * The state after the peer moved on to a new ratchet key, and the chain of that key. Nothing is authenticated by this:
 * the message that brought the key must decrypt in the chain before either is kept.
 * @throws CryptoError PROTOCOL when we are inactive (nobody can answer a ratchet key that we have not made), SMALL_ORDER
 */
export function receiveRatchetKey(
  provider: CryptoProvider,
  ratchet: DoubleRatchet,
  theirRatchetKey: Uint8Array,
): { readonly ratchet: InactiveRatchet; readonly chain: ReceiverChain } {
  if (ratchet.kind === "inactive") {
    throw new CryptoError(
      "PROTOCOL",
      "Olm message: a new ratchet key, though the last one has not been answered",
    );
  }
  const shared = ratchet.ratchetKey.agree(theirRatchetKey);
  const { rootKey, chainKey } = expand(provider, RATCHET_INFO, ratchet.rootKey, [shared]);
  return {
    ratchet: { kind: "inactive", rootKey, theirRatchetKey: new Uint8Array(theirRatchetKey) },
    chain: newReceiverChain(theirRatchetKey, chainKey),
  };
}

function activate(provider: CryptoProvider, ratchet: InactiveRatchet): ActiveRatchet {
  const ratchetKey = provider.generateX25519();
  const shared = ratchetKey.agree(ratchet.theirRatchetKey);
  const { rootKey, chainKey } = expand(provider, RATCHET_INFO, ratchet.rootKey, [shared]);
  return { kind: "active", rootKey, ratchetKey, chain: firstChainKey(chainKey) };
}
