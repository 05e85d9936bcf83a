// Decrypting a room event (Client-Server API, "m.megolm.v1.aes-sha2") and saying what it is worth. The session is looked up by room and session ID
// only (MSC3700): sender_key and device_id of the event are the server's word. Then, in this order: the room inside, whose session it is
// (CVE-2025-48937), whether the index was used for another event. Nothing is imported out of a room event, whatever its type.
import { CryptoError } from "../../errors.ts";
import { MegolmInboundSession } from "../../megolm/inbound.ts";
import {
  decodeUtf8,
  isJsonObject,
  type JsonObject,
  member,
  parseJson,
  requireObject,
  stringMember,
} from "../../shape.ts";
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import type { Context } from "../context.ts";
import { deviceTrust } from "../devices/trust.ts";
import { MEGOLM_BODY_CHARS_MAX } from "../limits.ts";
import { findDevice } from "../olm/unwedge.ts";
import type { DeviceRow, InboundRow } from "../store/store.ts";
import type {
  Authorship,
  DecryptedEvent,
  DecryptOptions,
  Earlier,
  RefusedEvent,
  RoomEventResult,
  Shield,
  UndecryptableEvent,
} from "./outcome.ts";
import { claimIndex } from "./replay.ts";
import { whyWithheld } from "./withheld.ts";

export type { RoomEventResult, Shield } from "./outcome.ts";

interface Outer {
  readonly roomId: string;
  readonly eventId: string;
  readonly sender: string;
  readonly originServerTs: number;
  readonly content: JsonObject;
  readonly membership: unknown;
}

const WHAT = "room event";

/** `roomId`: where the event is, by the caller's own knowledge. `event`: as the server gave it. */
export function decryptRoomEvent(
  context: Context,
  roomId: string,
  event: unknown,
  options: DecryptOptions = {},
): RoomEventResult {
  const outer = readOuter(roomId, event);
  if (outer === null) return { kind: "refused", cause: "malformed" };
  const { content } = outer;
  if (member(content, "algorithm") !== MEGOLM_ALGORITHM) return { kind: "refused", cause: "not-megolm" };
  const [sessionId, body] = [member(content, "session_id"), member(content, "ciphertext")];
  if (typeof sessionId !== "string" || typeof body !== "string" || body.length > MEGOLM_BODY_CHARS_MAX) {
    return { kind: "refused", cause: "malformed" };
  }
  const row = context.rows.get("inbound", roomId, sessionId);
  if (row === null) return missing(context, outer, sessionId);
  const session = new MegolmInboundSession(context.provider, row.state);
  try {
    const { plaintext, messageIndex } = session.decrypt(body);
    const inner = requireObject(parseJson(decodeUtf8(plaintext, WHAT), WHAT), WHAT);
    // Read before anything is remembered: what cannot be read changes nothing.
    stringMember(inner, "type", WHAT);
    const result = judge(context, { outer, inner, row, sessionId, messageIndex }, options);
    if (result.kind === "decrypted")
      context.rows.put("inbound", roomId, sessionId, { ...row, state: session.exportState() });
    return result;
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    const unknown = error.code === "UNKNOWN_INDEX";
    const earlier = unknown ? earlierThanUs(context, outer) : null;
    return { kind: "undecryptable", cause: unknown ? "unknown-index" : "damaged", sessionId, earlier };
  }
}

function readOuter(roomId: string, event: unknown): Outer | null {
  if (!isJsonObject(event)) return null;
  const [eventId, sender, content] = [
    member(event, "event_id"),
    member(event, "sender"),
    member(event, "content"),
  ];
  const timestamp = member(event, "origin_server_ts");
  if (typeof eventId !== "string" || typeof sender !== "string" || !isJsonObject(content)) return null;
  const unsigned = member(event, "unsigned");
  return {
    roomId,
    eventId,
    sender,
    content,
    originServerTs: typeof timestamp === "number" ? timestamp : 0,
    membership: isJsonObject(unsigned) ? member(unsigned, "membership") : undefined,
  };
}

function missing(context: Context, outer: Outer, sessionId: string): UndecryptableEvent {
  const senderKey = member(outer.content, "sender_key");
  const withheld = whyWithheld(context, { roomId: outer.roomId, sessionId, senderKey });
  const base = { kind: "undecryptable", sessionId, earlier: earlierThanUs(context, outer) } as const;
  if (withheld === null) return { ...base, cause: "unknown-session" };
  return { ...base, cause: "withheld", code: withheld.code, reason: withheld.reason };
}

/** By the server's word: it explains, and nothing is decided by it. */
function earlierThanUs(context: Context, { membership, originServerTs }: Outer): Earlier | null {
  if (typeof membership === "string" && membership !== "join") return "before-joined";
  const since = context.rows.get("tracked", "", context.userId)?.sinceMs ?? 0;
  return originServerTs < since ? "before-device" : null;
}

interface Judged {
  readonly outer: Outer;
  readonly inner: JsonObject;
  readonly row: InboundRow;
  readonly sessionId: string;
  readonly messageIndex: number;
}

/** Every rule in turn, the index last: what is refused for another reason does not use it up. */
function judge(context: Context, judged: Judged, { require }: DecryptOptions): DecryptedEvent | RefusedEvent {
  const { outer, inner, row, sessionId, messageIndex } = judged;
  const refused = (cause: RefusedEvent["cause"]): RefusedEvent => ({ kind: "refused", cause });
  if (member(inner, "room_id") !== outer.roomId) return refused("another-room");
  if (row.owner !== null && row.owner !== outer.sender) return refused("mismatched-sender");
  const event = opened(context, outer, inner, row);
  if (require !== undefined && event.authorship !== "verified" && event.authorship !== require) {
    return refused("untrusted-sender");
  }
  const { roomId, eventId, originServerTs } = outer;
  const replay = claimIndex(context, { roomId, sessionId, index: messageIndex, eventId, originServerTs });
  return replay === null ? event : refused(replay);
}

function opened(context: Context, outer: Outer, inner: JsonObject, row: InboundRow): DecryptedEvent {
  const found = findDevice(context, outer.sender, row.curve25519);
  const device = found !== null && found.ed25519 === row.ed25519 ? found : null;
  return {
    kind: "decrypted",
    type: stringMember(inner, "type", WHAT),
    content: withRelation(member(inner, "content"), member(outer.content, "m.relates_to")),
    sender: outer.sender,
    // What a file or a backup says of its maker is a claim: nobody may take it for the device's word.
    device: row.owner === null ? null : device,
    shield: shieldOf(context, row, device),
    authorship: authorshipOf(context, row, device),
    origin: row.origin ?? (row.owner === null ? "file" : "device"),
    forwardedBy: row.forwardedBy ?? null,
  };
}

function authorshipOf(context: Context, row: InboundRow, device: DeviceRow | null): Authorship {
  if (row.owner === null || !device?.present) return "unproven";
  const { crossSigned, verified, identity } = deviceTrust(context, device);
  if (verified) return "verified";
  return crossSigned && identity === "pinned" ? "cross-signed" : "unproven";
}

/** Relations stay outside of the ciphertext, for servers: they are put back where the inside has none. */
function withRelation(content: unknown, relation: unknown): unknown {
  if (relation === undefined || !isJsonObject(content) || member(content, "m.relates_to") !== undefined)
    return content;
  return { ...content, "m.relates_to": relation };
}

function shieldOf(context: Context, row: InboundRow, device: DeviceRow | null): Shield | null {
  if (device === null) return row.owner === null ? "authenticity-not-guaranteed" : "unknown-device";
  const trust = deviceTrust(context, device);
  if (trust.identity === "violation") return "verification-violation";
  if (!trust.crossSigned) return "unsigned-device";
  if (row.owner === null) return "authenticity-not-guaranteed";
  return trust.verified ? null : "unverified-identity";
}
