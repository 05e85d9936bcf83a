// What became of a room event, as data: what it says and what that is worth, or why it cannot be read (as matrix-sdk-crypto's UTD causes, and more).
import type { DeviceRow, InboundOrigin } from "../store/store.ts";

/** What a client should show beside an event. Null: nothing is wrong. The names are matrix-sdk-crypto's. */
export type Shield =
  /** The key came from elsewhere than its maker. */
  | "authenticity-not-guaranteed"
  /** The sending device is not known. */
  | "unknown-device"
  /** Its owner did not cross-sign it. */
  | "unsigned-device"
  /** Its owner's identity is not verified. */
  | "unverified-identity"
  /** It was, and changed. */
  | "verification-violation";

/**
 * Who wrote an event, as far as it is proven. The one field to authorise by: a command needs anything but `unproven`.
 * - `verified`: a cross-signed device of the sender, and the sender's identity is verified.
 * - `cross-signed`: a cross-signed device of the sender, under the identity that we saw first or that was acknowledged.
 * - `unproven`: anything else: no such device (any more), not cross-signed, an identity that changed, a key that came from a file, a backup or
 *   somebody else than its maker.
 */
export type Authorship = "verified" | "cross-signed" | "unproven";

/** What the caller asks of an event before it is read. */
export interface DecryptOptions {
  /** The least authorship; without it everything is read. What has less is refused as `untrusted-sender`, and its index is not used up. */
  readonly require?: Exclude<Authorship, "unproven">;
}

/**
 * Why a key is missing, where that can be known:
 * - `before-joined`: the server says that we were no member then (MSC4115), so nobody gave us the key.
 * - `before-device`: the event is older than this device.
 */
export type Earlier = "before-joined" | "before-device";

export interface DecryptedEvent {
  readonly kind: "decrypted";
  readonly type: string;
  /** As it was encrypted: usually an object, but whatever JSON it was. Relations are copied in from the outside. */
  readonly content: unknown;
  readonly sender: string;
  /** The device of the sender that made the session; null where it is not known, or only claimed by whoever gave us the key. */
  readonly device: DeviceRow | null;
  readonly shield: Shield | null;
  readonly authorship: Authorship;
  /** How the key came; for anything but `device` somebody else than its maker may have written what is read. */
  readonly origin: InboundOrigin;
  /** Who passed the key on, for `forwarded` and `history`. */
  readonly forwardedBy: string | null;
}

export type UndecryptableEvent = {
  readonly kind: "undecryptable";
  /** The session that it needs: the event can be tried again once `MachineCalls.readable` names it. */
  readonly sessionId: string;
  readonly earlier: Earlier | null;
} & (
  | { readonly cause: "unknown-session" | "unknown-index" | "damaged" }
  | { readonly cause: "withheld"; readonly code: string; readonly reason: string }
);

export interface RefusedEvent {
  readonly kind: "refused";
  readonly cause: /** Of another algorithm, or none. */
    | "not-megolm"
    /** Not an event of this kind at all. */
    | "malformed"
    /** Encrypted for another room. */
    | "another-room"
    /** The session is another user's (CVE-2025-48937). */
    | "mismatched-sender"
    /** Its message index belongs to another event. */
    | "replay"
    /** So far back in its session that nobody can say any more whether it is a replay. */
    | "replay-unknown"
    /** Less authorship than the caller asked for. */
    | "untrusted-sender";
}

export type RoomEventResult = DecryptedEvent | UndecryptableEvent | RefusedEvent;

/** The withheld codes of the specification; anything else is somebody's own text. */
const WITHHELD_CODES: readonly string[] = [
  "m.blacklisted",
  "m.unverified",
  "m.unauthorised",
  "m.unavailable",
  "m.no_olm",
  "m.history_not_shared",
];

/** A name for counting: of a small set, whatever a server or sender writes. Null for what was read. */
export function causeCode(result: RoomEventResult): string | null {
  if (result.kind === "decrypted") return null;
  if (result.kind === "refused") return result.cause;
  if (result.cause === "withheld") {
    return `withheld.${WITHHELD_CODES.includes(result.code) ? result.code : "other"}`;
  }
  return result.earlier === null ? result.cause : `${result.cause}.${result.earlier}`;
}
