// The sending side of a Megolm session (specification: Megolm). One ratchet, one Ed25519 key; every message moves the ratchet on by one.
import { encodeBase64 } from "../base64.ts";
import { CryptoError } from "../errors.ts";
import type { CryptoProvider, Ed25519KeyPair } from "../provider.ts";
import { encodeUtf8 } from "../shape.ts";
import { MESSAGE_INDEX_MAX } from "./limits.ts";
import { encryptMegolmMessage } from "./message.ts";
import { advanceRatchet, type MegolmRatchet, newRatchet } from "./ratchet.ts";
import { encodeSessionKey } from "./session-key.ts";

/** Everything that an outbound session is. Secret: for pickles only. */
export interface OutboundState {
  /** At the next message's index; null when the last index was used. */
  readonly ratchet: MegolmRatchet | null;
  readonly signingKey: Ed25519KeyPair;
}

/** `JSON.stringify` and `util.inspect` show the session's ID only. */
export class MegolmOutboundSession {
  /** The Ed25519 public key, unpadded base64. */
  readonly sessionId: string;
  readonly #provider: CryptoProvider;
  readonly #signingKey: Ed25519KeyPair;
  #ratchet: MegolmRatchet | null;

  constructor(provider: CryptoProvider, state: OutboundState) {
    this.sessionId = encodeBase64(state.signingKey.publicKey);
    this.#provider = provider;
    this.#signingKey = state.signingKey;
    this.#ratchet = state.ratchet;
  }

  static create(provider: CryptoProvider): MegolmOutboundSession {
    return new MegolmOutboundSession(provider, {
      ratchet: newRatchet(provider),
      signingKey: provider.generateEd25519(),
    });
  }

  /** The index of the next message; 2^32 when there is none left. */
  get messageIndex(): number {
    return this.#ratchet?.index ?? MESSAGE_INDEX_MAX + 1;
  }

  /**
   * For `m.room_key`: the session from the next message on, 229 bytes as unpadded base64. Whoever has it reads everything from there.
   * @throws CryptoError UNSUPPORTED when no index is left
   */
  sessionKey(): string {
    const signingKey = this.#signingKey;
    return encodeBase64(
      encodeSessionKey(this.#current(), signingKey.publicKey, (message) => signingKey.sign(message)),
    );
  }

  /**
   * Encrypts bytes, or a text as UTF-8, to unpadded base64. Store the session before the message leaves: an index must never serve twice.
   * @throws CryptoError UNSUPPORTED after index 2^32 - 1: the counter would begin anew with 0; rotate instead
   */
  encrypt(plaintext: Uint8Array | string): string {
    const ratchet = this.#current();
    const bytes = typeof plaintext === "string" ? encodeUtf8(plaintext) : plaintext;
    const message = encryptMegolmMessage(this.#provider, ratchet, bytes, (signed) =>
      this.#signingKey.sign(signed),
    );
    const next = ratchet.index + 1;
    this.#ratchet = next > MESSAGE_INDEX_MAX ? null : advanceRatchet(this.#provider, ratchet, next);
    return encodeBase64(message);
  }

  /** The whole state, secrets included, for a pickle. */
  exportState(): OutboundState {
    return { ratchet: this.#ratchet, signingKey: this.#signingKey };
  }

  #current(): MegolmRatchet {
    if (this.#ratchet) return this.#ratchet;
    throw new CryptoError("UNSUPPORTED", "Megolm session: no message index is left; rotate to a new session");
  }
}
