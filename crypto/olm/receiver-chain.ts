// One chain of messages from the peer, with the keys of messages that it skipped (specification: Olm, "Receiving the first and later messages";
// Signal's double ratchet, section 3.5). A chain is a value: decrypting returns the chain as it is afterwards, and throws before that
// when the message is not authentic, so a forged message changes nothing.
import { type MessageKeys, withKeys } from "../aes-sha2.ts";
import { CryptoError } from "../errors.ts";
import type { CryptoProvider } from "../provider.ts";
import { encodeUtf8 } from "../shape.ts";
import { type ChainKey, firstChainKey, messageKey, nextChainKey } from "./chain-key.ts";
import { MESSAGE_GAP_MAX, SKIPPED_KEYS_PER_CHAIN_MAX } from "./limits.ts";
import type { DecodedMessage } from "./message.ts";

/** HKDF's info for the keys of one message. */
export const MESSAGE_KEYS_INFO: Uint8Array = encodeUtf8("OLM_KEYS");

/** The message key (32 bytes) of a message that has not come yet. */
export interface SkippedKey {
  readonly index: number;
  readonly key: Uint8Array;
}

export interface ReceiverChain {
  /** The peer's ratchet key, by which its messages name this chain. */
  readonly ratchetKey: Uint8Array;
  readonly chain: ChainKey;
  /** Oldest first, at most SKIPPED_KEYS_PER_CHAIN_MAX. */
  readonly skipped: readonly SkippedKey[];
}

export interface ChainDecryption {
  readonly chain: ReceiverChain;
  readonly plaintext: Uint8Array;
}

export function newReceiverChain(ratchetKey: Uint8Array, chainKey: Uint8Array): ReceiverChain {
  return { ratchetKey: new Uint8Array(ratchetKey), chain: firstChainKey(chainKey), skipped: [] };
}

/** @throws CryptoError GAP, MISSING_KEY, MAC or PADDING */
export function decryptInChain(
  provider: CryptoProvider,
  chain: ReceiverChain,
  message: DecodedMessage,
): ChainDecryption {
  const gap = message.index - chain.chain.index;
  if (gap < 0) return decryptSkipped(provider, chain, message);
  if (gap > MESSAGE_GAP_MAX) {
    throw new CryptoError(
      "GAP",
      `Olm message: it skips ${gap} messages of its chain, at most ${MESSAGE_GAP_MAX} are allowed`,
    );
  }
  return decryptAhead(provider, chain, message);
}

function decryptSkipped(
  provider: CryptoProvider,
  chain: ReceiverChain,
  message: DecodedMessage,
): ChainDecryption {
  const skipped = chain.skipped.find((candidate) => candidate.index === message.index);
  if (!skipped) {
    throw new CryptoError(
      "MISSING_KEY",
      `Olm message: the key of index ${message.index} is used up or was dropped`,
    );
  }
  const plaintext = open(provider, skipped.key, message);
  return { chain: { ...chain, skipped: chain.skipped.filter((kept) => kept !== skipped) }, plaintext };
}

function decryptAhead(
  provider: CryptoProvider,
  receiver: ReceiverChain,
  message: DecodedMessage,
): ChainDecryption {
  let chain = receiver.chain;
  // The chain's own key stays until the message is authentic; those between it and the message are wiped as soon as they have served.
  const advance = (): ChainKey => {
    const next = nextChainKey(provider, chain);
    if (chain !== receiver.chain) chain.key.fill(0);
    return next;
  };
  const skipped: SkippedKey[] = [];
  while (chain.index < message.index) {
    // Keys that would be dropped again at once are not made.
    if (message.index - chain.index <= SKIPPED_KEYS_PER_CHAIN_MAX) {
      skipped.push({ index: chain.index, key: messageKey(provider, chain) });
    }
    chain = advance();
  }
  const key = messageKey(provider, chain);
  const plaintext = open(provider, key, message);
  key.fill(0);
  return {
    chain: {
      ratchetKey: receiver.ratchetKey,
      chain: advance(),
      skipped: [...receiver.skipped, ...skipped].slice(-SKIPPED_KEYS_PER_CHAIN_MAX),
    },
    plaintext,
  };
}

function open(provider: CryptoProvider, key: Uint8Array, message: DecodedMessage): Uint8Array {
  return withKeys(provider, key, MESSAGE_KEYS_INFO, (keys: MessageKeys) => {
    keys.verify(message.authenticated, message.mac, "Olm message");
    return keys.decrypt(message.ciphertext);
  });
}
