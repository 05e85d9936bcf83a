// A Megolm session as it is written down outside of a store: in key files (ExportedSessionData) and in the key backup
// (BackedUpSessionData, without the IDs, which the backup's path holds). Specification: Key exports, Server-side key backups.
//
// `shared_history` has three names (MSC3061, MSC4268). The specification says `shared_history`, matrix-sdk-crypto reads and writes only
// `m.shared_history`, and takes two of its own names together for an error that loses the key. So these two are written, and any of three is read.
import { CryptoError } from "./errors.ts";
import { isJsonObject, type JsonObject, member, requireObject, stringMember } from "./shape.ts";

const SHARED_HISTORY_NAMES = [
  "shared_history",
  "m.shared_history",
  "org.matrix.msc3061.shared_history",
] as const;

/** A session as the key backup holds it. None of it is authenticated: whoever made the file or backup can have written anything. */
export interface BackedUpSession {
  /** Of the session, `m.megolm.v1.aes-sha2`; others are passed through for the caller to refuse. */
  readonly algorithm: string;
  /** The export format of megolm/session-key.ts (version 1), base64. Secret. */
  readonly sessionKey: string;
  /** The Curve25519 key of the device that made the session, as claimed; base64. */
  readonly senderKey: string;
  /** Algorithm to key, as claimed: `ed25519` in practice. */
  readonly senderClaimedKeys: { readonly [algorithm: string]: string };
  /** Curve25519 keys of the devices that forwarded the session, oldest first. */
  readonly forwardingCurve25519KeyChain: readonly string[];
  /** Whether the session may be given to people who are invited later. */
  readonly sharedHistory: boolean;
}

/** A session as a key file holds it. */
export interface ExportedSession extends BackedUpSession {
  readonly roomId: string;
  readonly sessionId: string;
}

/** The JSON object of a session in the backup. */
export function encodeBackedUpSession(session: BackedUpSession): JsonObject {
  return {
    algorithm: session.algorithm,
    forwarding_curve25519_key_chain: [...session.forwardingCurve25519KeyChain],
    sender_claimed_keys: { ...session.senderClaimedKeys },
    sender_key: session.senderKey,
    session_key: session.sessionKey,
    ...(session.sharedHistory ? { shared_history: true, "m.shared_history": true } : {}),
  };
}

/** The JSON object of a session in a key file. */
export function encodeExportedSession(session: ExportedSession): JsonObject {
  return { ...encodeBackedUpSession(session), room_id: session.roomId, session_id: session.sessionId };
}

/**
 * Reads a session of the backup. Unknown members are ignored; a missing list or map counts as empty, as older clients left them out.
 *
 * @throws CryptoError FORMAT when a member that is needed is missing or of another type
 */
export function parseBackedUpSession(value: unknown): BackedUpSession {
  const object = requireObject(value, "session");
  return {
    algorithm: stringMember(object, "algorithm", "session"),
    sessionKey: stringMember(object, "session_key", "session"),
    senderKey: stringMember(object, "sender_key", "session"),
    senderClaimedKeys: claimedKeys(member(object, "sender_claimed_keys")),
    forwardingCurve25519KeyChain: keyChain(member(object, "forwarding_curve25519_key_chain")),
    sharedHistory: SHARED_HISTORY_NAMES.some((name) => member(object, name) === true),
  };
}

/** Reads a session of a key file. @throws CryptoError FORMAT as {@link parseBackedUpSession} */
export function parseExportedSession(value: unknown): ExportedSession {
  const object = requireObject(value, "session");
  return {
    ...parseBackedUpSession(object),
    roomId: stringMember(object, "room_id", "session"),
    sessionId: stringMember(object, "session_id", "session"),
  };
}

function claimedKeys(value: unknown): { readonly [algorithm: string]: string } {
  if (value === undefined) return {};
  const entries = Object.entries(requireObject(value, "session.sender_claimed_keys"));
  // Object.fromEntries defines members, so a key named __proto__ is a member like any other.
  return Object.fromEntries(
    entries.map(([algorithm, key]) => [algorithm, requireKey(key, "sender_claimed_keys")]),
  );
}

function keyChain(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw wrongType("forwarding_curve25519_key_chain", "an array", value);
  return value.map((key: unknown) => requireKey(key, "forwarding_curve25519_key_chain"));
}

function requireKey(value: unknown, where: string): string {
  if (typeof value !== "string") throw wrongType(where, "keys as strings", value);
  return value;
}

function wrongType(where: string, expected: string, value: unknown): CryptoError {
  const found = isJsonObject(value) ? "an object" : typeof value;
  return new CryptoError("FORMAT", `session.${where}: expected ${expected}, found ${found}`);
}
