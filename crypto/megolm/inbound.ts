// The receiving side of a Megolm session (specification: Megolm). It keeps the earliest ratchet that it was given, from which every later message
// can be read, and the latest one that it used, so that messages in order cost one hash.
//
// A message that is replayed decrypts again, as in every implementation: whoever calls compares (session ID, index) with the event it belongs to.
import { decodeBase64, encodeBase64 } from "../base64.ts";
import { CryptoError } from "../errors.ts";
import type { CryptoProvider, Ed25519PublicKey } from "../provider.ts";
import { decodeMegolmMessage, decryptMegolmMessage } from "./message.ts";
import { advanceRatchet, areConnected, type MegolmRatchet } from "./ratchet.ts";
import { decodeSessionExport, decodeSessionKey, encodeSessionExport } from "./session-key.ts";

/** How one copy of a session stands to another: `better` begins earlier, `unconnected` is another session or a forged copy. */
export type SessionOrdering = "equal" | "better" | "worse" | "unconnected";

/** Everything that an inbound session is. Secret: for pickles only. */
export interface InboundState {
  readonly earliest: MegolmRatchet;
  readonly latest: MegolmRatchet;
  readonly signingKey: Ed25519PublicKey;
  readonly signingKeyVerified: boolean;
}

/** `JSON.stringify` and `util.inspect` show the session's ID only. */
export class MegolmInboundSession {
  /** The Ed25519 public key, unpadded base64. */
  readonly sessionId: string;
  readonly #provider: CryptoProvider;
  #state: InboundState;

  constructor(provider: CryptoProvider, state: InboundState) {
    this.sessionId = encodeBase64(state.signingKey.bytes);
    this.#provider = provider;
    this.#state = state;
  }

  /**
   * From `m.room_key`. Compare `sessionId` with the one that came beside it.
   * @throws CryptoError BASE64, VERSION, FORMAT, SMALL_ORDER, SIGNATURE
   */
  static fromSessionKey(provider: CryptoProvider, sessionKey: string): MegolmInboundSession {
    const { ratchet, signingKey, signed, signature } = decodeSessionKey(decodeBase64(sessionKey));
    const key = provider.importEd25519Public(signingKey, "unchecked");
    if (!key.verify(signed, signature)) {
      throw new CryptoError("SIGNATURE", "Megolm session key: its signature does not hold");
    }
    return begin(provider, ratchet, key, true);
  }

  /**
   * From a key export, a backup or a forwarded key: nothing says that it is genuine until a message verifies.
   * @throws CryptoError BASE64, VERSION, FORMAT, SMALL_ORDER
   */
  static fromExport(provider: CryptoProvider, exportedKey: string): MegolmInboundSession {
    const { ratchet, signingKey } = decodeSessionExport(decodeBase64(exportedKey));
    return begin(provider, ratchet, provider.importEd25519Public(signingKey), false);
  }

  /** Messages from this index on can be read. */
  get firstKnownIndex(): number {
    return this.#state.earliest.index;
  }

  /** Whether the signing key is proven to belong to the ratchet: by a signed session key, or by a message since. */
  get signingKeyVerified(): boolean {
    return this.#state.signingKeyVerified;
  }

  /**
   * The plaintext and its index. Checked in this order: signature, index, MAC; only then is anything decrypted or changed.
   * @throws CryptoError BASE64, VERSION, FORMAT, SIGNATURE, UNKNOWN_INDEX, MAC, PADDING
   */
  decrypt(body: string): { readonly plaintext: Uint8Array; readonly messageIndex: number } {
    const message = decodeMegolmMessage(decodeBase64(body));
    const state = this.#state;
    if (!state.signingKey.verify(message.signed, message.signature)) {
      throw new CryptoError("SIGNATURE", "Megolm message: its signature does not hold");
    }
    const ratchet = ratchetAt(this.#provider, state, message.index);
    const plaintext = decryptMegolmMessage(this.#provider, ratchet, message);
    const latest = ratchet.index > state.latest.index ? ratchet : state.latest;
    this.#state = { ...state, latest, signingKeyVerified: true };
    return { plaintext, messageIndex: message.index };
  }

  /**
   * The session from `index` on, 165 bytes as unpadded base64, unsigned.
   * @throws CryptoError UNKNOWN_INDEX before the first known index, or 2^31 and more ahead
   * @throws RangeError when it is no index at all
   */
  exportAt(index: number): string {
    if (!Number.isSafeInteger(index) || index < 0) {
      throw new RangeError(`Megolm export: expected a message index, got ${index}`);
    }
    const ratchet = ratchetAt(this.#provider, this.#state, index);
    return encodeBase64(encodeSessionExport(ratchet, this.#state.signingKey.bytes));
  }

  /** How this copy stands to the other. */
  compare(other: MegolmInboundSession): SessionOrdering {
    const provider = this.#provider;
    const [ours, theirs] = [this.#state, other.#state];
    const sameKey = provider.equal(ours.signingKey.bytes, theirs.signingKey.bytes);
    if (!sameKey || !areConnected(provider, ours.earliest, theirs.earliest)) return "unconnected";
    if (ours.earliest.index === theirs.earliest.index) return "equal";
    return ours.earliest.index < theirs.earliest.index ? "better" : "worse";
  }

  /** The best of both: the earlier ratchet, and a verified key where either has one. Null when they are unconnected. */
  merge(other: MegolmInboundSession): MegolmInboundSession | null {
    const ordering = this.compare(other);
    if (ordering === "unconnected") return null;
    const [ours, theirs] = [this.#state, other.#state];
    const { earliest } = ordering === "worse" ? theirs : ours;
    const verified = ours.signingKeyVerified || theirs.signingKeyVerified;
    return begin(this.#provider, earliest, ours.signingKey, verified);
  }

  /** The whole state, secrets included, for a pickle. */
  exportState(): InboundState {
    return this.#state;
  }
}

function begin(
  provider: CryptoProvider,
  ratchet: MegolmRatchet,
  signingKey: Ed25519PublicKey,
  signingKeyVerified: boolean,
): MegolmInboundSession {
  return new MegolmInboundSession(provider, {
    earliest: ratchet,
    latest: ratchet,
    signingKey,
    signingKeyVerified,
  });
}

/** From the latest ratchet where that is not too late, else from the earliest. @throws CryptoError UNKNOWN_INDEX */
function ratchetAt(provider: CryptoProvider, state: InboundState, index: number): MegolmRatchet {
  return advanceRatchet(provider, index >= state.latest.index ? state.latest : state.earliest, index);
}
