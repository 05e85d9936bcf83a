// An Olm session: two parties, a double ratchet (specification: Olm). It is made by OlmAccount, or by a pickle from its state.
import { decodeBase64, encodeBase64 } from "../base64.ts";
import type { CryptoProvider } from "../provider.ts";
import { concatBytes, encodeUtf8 } from "../shape.ts";
import { type DoubleRatchet, encryptWith, receiveRatchetKey } from "./double-ratchet.ts";
import { RECEIVER_CHAINS_MAX } from "./limits.ts";
import {
  type DecodedMessage,
  decodeMessage,
  decodePreKeyMessage,
  encodePreKeyMessage,
  type SessionKeys,
} from "./message.ts";
import { decryptInChain, type ReceiverChain } from "./receiver-chain.ts";

/** What `m.room.encrypted` carries for one device: `type` 0 is a pre-key message, 1 a normal one; `body` is unpadded base64. */
export interface OlmMessage {
  readonly type: 0 | 1;
  readonly body: string;
}

/** Everything that a session is. Secret: for pickles only. Its arrays are shared with the session and must not be changed. */
export interface SessionState {
  readonly keys: SessionKeys;
  readonly ratchet: DoubleRatchet;
  /** Newest first, at most RECEIVER_CHAINS_MAX. */
  readonly receiverChains: readonly ReceiverChain[];
}

/** `JSON.stringify` and `util.inspect` show the session's ID only. */
export class OlmSession {
  /** Unpadded base64 of SHA-256(I_A || E_A || E_B): the same on both sides. */
  readonly sessionId: string;
  readonly #provider: CryptoProvider;
  #state: SessionState;

  constructor(provider: CryptoProvider, state: SessionState) {
    const { identityKey, baseKey, oneTimeKey } = state.keys;
    this.sessionId = encodeBase64(provider.sha256(concatBytes(identityKey, baseKey, oneTimeKey)));
    this.#provider = provider;
    this.#state = state;
  }

  /** Whether anything came from the peer. Until then each of our messages is a pre-key message, as the peer may not have seen one. */
  get hasReceived(): boolean {
    return this.#state.receiverChains.length > 0;
  }

  /**
   * Encrypts bytes, or a text as UTF-8. Store the session before the message leaves: a message key must never serve twice.
   * @throws CryptoError UNSUPPORTED after 2^32 messages without an answer
   */
  encrypt(plaintext: Uint8Array | string): OlmMessage {
    const bytes = typeof plaintext === "string" ? encodeUtf8(plaintext) : plaintext;
    const { ratchet, message } = encryptWith(this.#provider, this.#state.ratchet, bytes);
    this.#state = { ...this.#state, ratchet };
    if (this.hasReceived) return { type: 1, body: encodeBase64(message) };
    return { type: 0, body: encodeBase64(encodePreKeyMessage(this.#state.keys, message)) };
  }

  /**
   * The plaintext. Whatever is thrown, the session is as it was before.
   * @throws CryptoError BASE64, VERSION, FORMAT, GAP, MISSING_KEY (a replay, too), PROTOCOL, SMALL_ORDER, MAC, PADDING
   */
  decrypt(message: OlmMessage): Uint8Array {
    const bytes = decodeBase64(message.body);
    return this.decryptDecoded(
      message.type === 0 ? decodePreKeyMessage(bytes).message : decodeMessage(bytes),
    );
  }

  /** As `decrypt`, for a message already taken apart. */
  decryptDecoded(message: DecodedMessage): Uint8Array {
    const { state, plaintext } = decryptInState(this.#provider, this.#state, message);
    this.#state = state;
    return plaintext;
  }

  /**
   * Whether a pre-key message belongs to this session: then it is decrypted here, and no new session is made of it.
   * @throws CryptoError BASE64, VERSION or FORMAT when it is no pre-key message
   */
  matches(preKeyBody: string): boolean {
    const theirs = decodePreKeyMessage(decodeBase64(preKeyBody));
    const ours = this.#state.keys;
    return (
      this.#provider.equal(theirs.identityKey, ours.identityKey) &&
      this.#provider.equal(theirs.baseKey, ours.baseKey) &&
      this.#provider.equal(theirs.oneTimeKey, ours.oneTimeKey)
    );
  }

  /** The whole state, secrets included, for a pickle. */
  exportState(): SessionState {
    return this.#state;
  }
}

function decryptInState(
  provider: CryptoProvider,
  state: SessionState,
  message: DecodedMessage,
): { readonly state: SessionState; readonly plaintext: Uint8Array } {
  const known = state.receiverChains.find((chain) => provider.equal(chain.ratchetKey, message.ratchetKey));
  if (known) {
    const { chain, plaintext } = decryptInChain(provider, known, message);
    const receiverChains = state.receiverChains.map((other) => (other === known ? chain : other));
    return { state: { ...state, receiverChains }, plaintext };
  }
  const next = receiveRatchetKey(provider, state.ratchet, message.ratchetKey);
  const { chain, plaintext } = decryptInChain(provider, next.chain, message);
  const receiverChains = [chain, ...state.receiverChains].slice(0, RECEIVER_CHAINS_MAX);
  return { state: { ...state, ratchet: next.ratchet, receiverChains }, plaintext };
}
