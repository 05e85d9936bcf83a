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
import { MEGOLM_BODY_CHARS_MAX, REQUEST_NUMBER_DIGITS } from "../limits.ts";
import { findDevice } from "../olm/unwedge.ts";
import type { DeviceRow, InboundRow } from "../store/store.ts";

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

export type RoomEventResult =
  | {
      readonly kind: "decrypted";
      readonly type: string;
      /** As it was encrypted: usually an object, but whatever JSON it was. Relations are copied in from the outside. */
      readonly content: unknown;
      readonly sender: string;
      readonly device: DeviceRow | null;
      readonly shield: Shield | null;
    }
  | { readonly kind: "undecryptable"; readonly cause: "unknown-session" | "unknown-index" | "damaged" }
  | {
      readonly kind: "undecryptable";
      readonly cause: "withheld";
      readonly code: string;
      readonly reason: string;
    }
  | {
      readonly kind: "refused";
      readonly cause: "not-megolm" | "malformed" | "another-room" | "mismatched-sender" | "replay";
    };

interface Outer {
  readonly roomId: string;
  readonly eventId: string;
  readonly sender: string;
  readonly originServerTs: number;
  readonly content: JsonObject;
}

const WHAT = "room event";

/** `roomId`: where the event is, by the caller's own knowledge. `event`: as the server gave it. */
export function decryptRoomEvent(context: Context, roomId: string, event: unknown): RoomEventResult {
  const outer = readOuter(roomId, event);
  if (outer === null) return { kind: "refused", cause: "malformed" };
  const { content } = outer;
  if (member(content, "algorithm") !== MEGOLM_ALGORITHM) return { kind: "refused", cause: "not-megolm" };
  const [sessionId, body] = [member(content, "session_id"), member(content, "ciphertext")];
  if (typeof sessionId !== "string" || typeof body !== "string" || body.length > MEGOLM_BODY_CHARS_MAX) {
    return { kind: "refused", cause: "malformed" };
  }
  const row = context.rows.get("inbound", roomId, sessionId);
  if (row === null) return missing(context, roomId, sessionId);
  const session = new MegolmInboundSession(context.provider, row.state);
  try {
    const { plaintext, messageIndex } = session.decrypt(body);
    const inner = requireObject(parseJson(decodeUtf8(plaintext, WHAT), WHAT), WHAT);
    // Read before anything is remembered: what cannot be read changes nothing.
    stringMember(inner, "type", WHAT);
    const refusal = judge(context, { outer, inner, row, sessionId, messageIndex });
    if (refusal !== null) return refusal;
    context.rows.put("inbound", roomId, sessionId, { ...row, state: session.exportState() });
    return opened(context, outer, inner, row);
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    return { kind: "undecryptable", cause: error.code === "UNKNOWN_INDEX" ? "unknown-index" : "damaged" };
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
  return { roomId, eventId, sender, content, originServerTs: typeof timestamp === "number" ? timestamp : 0 };
}

function missing({ rows }: Context, roomId: string, sessionId: string): RoomEventResult {
  const withheld = rows.get("withheld", roomId, sessionId);
  if (withheld === null) return { kind: "undecryptable", cause: "unknown-session" };
  return { kind: "undecryptable", cause: "withheld", code: withheld.code, reason: withheld.reason };
}

interface Judged {
  readonly outer: Outer;
  readonly inner: JsonObject;
  readonly row: InboundRow;
  readonly sessionId: string;
  readonly messageIndex: number;
}

/** Null: it is what it says. Remembers the index then. */
function judge(
  context: Context,
  { outer, inner, row, sessionId, messageIndex }: Judged,
): RoomEventResult | null {
  if (member(inner, "room_id") !== outer.roomId) return { kind: "refused", cause: "another-room" };
  if (row.owner !== null && row.owner !== outer.sender)
    return { kind: "refused", cause: "mismatched-sender" };
  const group = JSON.stringify([outer.roomId, sessionId]);
  const index = String(messageIndex).padStart(REQUEST_NUMBER_DIGITS, "0");
  const before = context.rows.get("replay", group, index);
  const { eventId, originServerTs } = outer;
  if (before === null) context.rows.put("replay", group, index, { eventId, originServerTs });
  else if (before.eventId !== eventId || before.originServerTs !== originServerTs) {
    return { kind: "refused", cause: "replay" };
  }
  return null;
}

function opened(context: Context, outer: Outer, inner: JsonObject, row: InboundRow): RoomEventResult {
  const device = findDevice(context, outer.sender, row.curve25519);
  const genuine = device !== null && device.ed25519 === row.ed25519 ? device : null;
  return {
    kind: "decrypted",
    type: stringMember(inner, "type", WHAT),
    content: withRelation(member(inner, "content"), member(outer.content, "m.relates_to")),
    sender: outer.sender,
    device: genuine,
    shield: shieldOf(context, row, genuine),
  };
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
