// An Olm account: the identity keys of a device, its one-time keys and its fallback keys (specification: Olm, "Initial setup";
// Client-Server API, "One-time and fallback keys"), and the sessions that begin with them.
import { decodeBase64, encodeBase64 } from "../base64.ts";
import { CryptoError } from "../errors.ts";
import type { CryptoProvider, Ed25519KeyPair, X25519KeyPair } from "../provider.ts";
import { encodeUtf8, requireBytes } from "../shape.ts";
import { firstChainKey } from "./chain-key.ts";
import { ONE_TIME_KEYS_MAX } from "./limits.ts";
import { type DecodedPreKeyMessage, decodePreKeyMessage } from "./message.ts";
import { addOneTimeKeys, type OneTimeKey, publicOneTimeKey, type StoredOneTimeKey } from "./one-time-keys.ts";
import { newReceiverChain } from "./receiver-chain.ts";
import { OlmSession } from "./session.ts";
import { inboundSecret, outboundSecret } from "./shared-secret.ts";

const KEY_BYTES = 32;
/** Counting from 1 leaves 0 for "none so far", which is what libolm's pickles write for a new account. */
const FIRST_KEY_ID = 1;

/** Everything that an account is. Secret: for pickles only. */
export interface AccountState {
  readonly signingKey: Ed25519KeyPair;
  readonly identityKey: X25519KeyPair;
  /** Oldest first, at most ONE_TIME_KEYS_MAX. */
  readonly oneTimeKeys: readonly StoredOneTimeKey[];
  readonly fallbackKey: StoredOneTimeKey | null;
  readonly previousFallbackKey: StoredOneTimeKey | null;
  /** The ID that the next key takes, greater than every ID ever given. */
  readonly nextKeyId: number;
}

/** `JSON.stringify` and `util.inspect` show the two public identity keys only. */
export class OlmAccount {
  /** The X25519 identity key, unpadded base64: the device's `sender_key`. */
  readonly curve25519: string;
  /** The Ed25519 identity key, unpadded base64: the device's fingerprint. */
  readonly ed25519: string;
  readonly #provider: CryptoProvider;
  #state: AccountState;

  constructor(provider: CryptoProvider, state: AccountState) {
    this.curve25519 = encodeBase64(state.identityKey.publicKey);
    this.ed25519 = encodeBase64(state.signingKey.publicKey);
    this.#provider = provider;
    this.#state = state;
  }

  /** A new account, its keys from the provider's generator. */
  static create(provider: CryptoProvider): OlmAccount {
    return new OlmAccount(provider, {
      signingKey: provider.generateEd25519(),
      identityKey: provider.generateX25519(),
      oneTimeKeys: [],
      fallbackKey: null,
      previousFallbackKey: null,
      nextKeyId: FIRST_KEY_ID,
    });
  }

  /** The signature of bytes, or of a text's UTF-8, under the Ed25519 identity key: 64 bytes as unpadded base64. */
  sign(message: Uint8Array | string): string {
    const bytes = typeof message === "string" ? encodeUtf8(message) : message;
    return encodeBase64(this.#state.signingKey.sign(bytes));
  }

  /** How many one-time keys are held, published or not. */
  get storedOneTimeKeyCount(): number {
    return this.#state.oneTimeKeys.length;
  }

  /**
   * Makes `count` one-time keys, 0 to ONE_TIME_KEYS_MAX. `dropped` are those that had to go for them: messages under these are lost.
   * @throws RangeError for another count
   */
  generateOneTimeKeys(count: number): { readonly created: OneTimeKey[]; readonly dropped: OneTimeKey[] } {
    if (!Number.isInteger(count) || count < 0 || count > ONE_TIME_KEYS_MAX) {
      throw new RangeError(`one-time keys: expected a count from 0 to ${ONE_TIME_KEYS_MAX}, got ${count}`);
    }
    const state = this.#state;
    const { keys, created, dropped } = addOneTimeKeys(
      this.#provider,
      state.oneTimeKeys,
      state.nextKeyId,
      count,
    );
    this.#state = { ...state, oneTimeKeys: keys, nextKeyId: state.nextKeyId + count };
    return { created: created.map(publicOneTimeKey), dropped: dropped.map(publicOneTimeKey) };
  }

  /** Those not marked as published, oldest first. An upload that is retried must send the same set. */
  unpublishedOneTimeKeys(): OneTimeKey[] {
    return this.#state.oneTimeKeys.filter((key) => !key.published).map(publicOneTimeKey);
  }

  /** Makes a new fallback key; the current one becomes the previous one, for messages still under way. Returns the one forgotten for it, if any. */
  generateFallbackKey(): OneTimeKey | null {
    const state = this.#state;
    const fallbackKey = { id: state.nextKeyId, pair: this.#provider.generateX25519(), published: false };
    this.#state = {
      ...state,
      fallbackKey,
      previousFallbackKey: state.fallbackKey,
      nextKeyId: state.nextKeyId + 1,
    };
    return state.previousFallbackKey && publicOneTimeKey(state.previousFallbackKey);
  }

  unpublishedFallbackKey(): OneTimeKey | null {
    const { fallbackKey } = this.#state;
    return fallbackKey && !fallbackKey.published ? publicOneTimeKey(fallbackKey) : null;
  }

  /** Forgets the previous fallback key: an hour after the current one was first used. False when there is none. */
  forgetPreviousFallbackKey(): boolean {
    const there = this.#state.previousFallbackKey !== null;
    this.#state = { ...this.#state, previousFallbackKey: null };
    return there;
  }

  /** After the server took them: every one-time key and the fallback key count as published. */
  markKeysAsPublished(): void {
    const { oneTimeKeys, fallbackKey } = this.#state;
    this.#state = {
      ...this.#state,
      oneTimeKeys: oneTimeKeys.map((key) => (key.published ? key : { ...key, published: true })),
      fallbackKey: fallbackKey && { ...fallbackKey, published: true },
    };
  }

  /** Removes a one-time key by its public key. False when it is not held. A fallback key is not removed by this. */
  removeOneTimeKey(key: string): boolean {
    const bytes = decodeKey(key, "one-time key");
    const kept = this.#state.oneTimeKeys.filter(
      (stored) => !this.#provider.equal(stored.pair.publicKey, bytes),
    );
    const removed = kept.length < this.#state.oneTimeKeys.length;
    this.#state = { ...this.#state, oneTimeKeys: kept };
    return removed;
  }

  /**
   * A session to another device, from its identity key and a one-time or fallback key whose signature was checked.
   * @throws CryptoError BASE64, FORMAT or SMALL_ORDER
   */
  createOutboundSession(theirIdentityKey: string, theirOneTimeKey: string): OlmSession {
    const provider = this.#provider;
    const identity = this.#state.identityKey;
    const theirs = {
      identityKey: decodeKey(theirIdentityKey, "their identity key"),
      oneTimeKey: decodeKey(theirOneTimeKey, "their one-time key"),
    };
    const base = provider.generateX25519();
    const { rootKey, chainKey } = outboundSecret(provider, { identity, base }, theirs);
    return new OlmSession(provider, {
      keys: { identityKey: identity.publicKey, baseKey: base.publicKey, oneTimeKey: theirs.oneTimeKey },
      ratchet: {
        kind: "active",
        rootKey,
        ratchetKey: provider.generateX25519(),
        chain: firstChainKey(chainKey),
      },
      receiverChains: [],
    });
  }

  /**
   * A session from a pre-key message, and what the message says. The one-time key is removed; a fallback key stays.
   * Whatever is thrown, the account is as it was before: a message that does not decrypt costs no key.
   * @throws CryptoError BASE64, VERSION, FORMAT, KEY_ID (no such key of ours, or another identity key than the sender's), SMALL_ORDER, GAP, MAC, PADDING
   */
  createInboundSession(
    theirIdentityKey: string,
    preKeyBody: string,
  ): { readonly session: OlmSession; readonly plaintext: Uint8Array } {
    const preKey = decodePreKeyMessage(decodeBase64(preKeyBody));
    if (!this.#provider.equal(decodeKey(theirIdentityKey, "their identity key"), preKey.identityKey)) {
      throw new CryptoError("KEY_ID", "Olm pre-key message: its identity key is not the sender's");
    }
    const oneTime = this.#findKey(preKey.oneTimeKey);
    const session = inboundSession(this.#provider, this.#state.identityKey, oneTime.pair, preKey);
    const plaintext = session.decryptDecoded(preKey.message);
    this.#state = {
      ...this.#state,
      oneTimeKeys: this.#state.oneTimeKeys.filter((key) => key !== oneTime),
    };
    return { session, plaintext };
  }

  /** The whole state, secrets included, for a pickle. */
  exportState(): AccountState {
    return this.#state;
  }

  #findKey(publicKey: Uint8Array): StoredOneTimeKey {
    const { oneTimeKeys, fallbackKey, previousFallbackKey } = this.#state;
    for (const key of [...oneTimeKeys, fallbackKey, previousFallbackKey]) {
      if (key && this.#provider.equal(key.pair.publicKey, publicKey)) return key;
    }
    throw new CryptoError(
      "KEY_ID",
      "Olm pre-key message: its one-time key is used up, was dropped, or was never ours",
    );
  }
}

function inboundSession(
  provider: CryptoProvider,
  identity: X25519KeyPair,
  oneTime: X25519KeyPair,
  preKey: DecodedPreKeyMessage,
): OlmSession {
  const { rootKey, chainKey } = inboundSecret(provider, { identity, oneTime }, preKey);
  const theirRatchetKey = new Uint8Array(preKey.message.ratchetKey);
  return new OlmSession(provider, {
    keys: {
      identityKey: new Uint8Array(preKey.identityKey),
      baseKey: new Uint8Array(preKey.baseKey),
      oneTimeKey: oneTime.publicKey,
    },
    ratchet: { kind: "inactive", rootKey, theirRatchetKey },
    receiverChains: [newReceiverChain(theirRatchetKey, chainKey)],
  });
}

function decodeKey(key: string, what: string): Uint8Array {
  return requireBytes(decodeBase64(key), KEY_BYTES, what);
}

export type { OneTimeKey };
