// Refusals to give a key (Client-Server API, "m.room_key.withheld"): what is sent, and what is made of one that comes. They come in clear, so they prove nothing:
// they explain what cannot be read. One is acted on: `m.no_olm` says that no channel to us could be made, so we make one, as seldom as a broken session is replaced.
import { type JsonObject, member } from "../../shape.ts";
import { MEGOLM_ALGORITHM, ownKeys } from "../account/device-keys.ts";
import { type Context, ownAccount } from "../context.ts";
import { REASON_CHARS_MAX, WITHHELD_PER_ROOM_MAX } from "../limits.ts";
import type { ToDeviceMessage } from "../olm/encrypt.ts";
import { findDevice, markWedged } from "../olm/unwedge.ts";
import type { DeviceRow, WithheldRow } from "../store/store.ts";

export const WITHHELD_TYPE = "m.room_key.withheld";
const NO_OLM = "m.no_olm";
/** Of whoever was asked, not of the session's maker: they do not replace what the maker says. */
const OF_OTHERS: readonly string[] = ["m.unavailable", "m.unauthorised"];

/** A refusal for a device. `content`: code, reason, and the session where it is about one. */
export function withheldMessage(context: Context, device: DeviceRow, content: JsonObject): ToDeviceMessage {
  const { curve25519 } = ownKeys(ownAccount(context));
  return {
    userId: device.userId,
    deviceId: device.deviceId,
    content: { algorithm: MEGOLM_ALGORITHM, sender_key: curve25519, ...content },
  };
}

export function receiveWithheld(context: Context, sender: string, content: JsonObject): void {
  const [roomId, sessionId, code, reason] = ["room_id", "session_id", "code", "reason"].map((key) =>
    member(content, key),
  );
  if (typeof code !== "string") return;
  const row = { code, reason: typeof reason === "string" ? reason : "" };
  if (code === NO_OLM) receiveNoOlm(context, sender, content, row);
  if (typeof roomId === "string" && typeof sessionId === "string")
    keepWithheld(context, roomId, sessionId, row);
}

interface Refusal {
  readonly code: string;
  readonly reason: string;
}

const rowOf = ({ nowMs }: Context, { code, reason }: Refusal): WithheldRow => ({
  code: code.slice(0, REASON_CHARS_MAX),
  reason: reason.slice(0, REASON_CHARS_MAX),
  atMs: nowMs,
});

/** What explains a session that is missing; nothing where it is here. */
export function keepWithheld(context: Context, roomId: string, sessionId: string, refusal: Refusal): void {
  const { rows } = context;
  // Rooms that we know to be encrypted only, and so many of each, or anybody could fill the store.
  if (rows.get("room", roomId, "") === null || rows.get("inbound", roomId, sessionId) !== null) return;
  const known = rows.get("withheld", roomId, sessionId);
  if (known !== null && OF_OTHERS.includes(refusal.code)) return;
  if (known === null && rows.list("withheld", roomId).length >= WITHHELD_PER_ROOM_MAX) return;
  rows.put("withheld", roomId, sessionId, rowOf(context, refusal));
}

/** Of a device that is known: a new session with it, and its word, by its key. */
function receiveNoOlm(context: Context, sender: string, content: JsonObject, refusal: Refusal): void {
  const senderKey = member(content, "sender_key");
  if (typeof senderKey !== "string" || findDevice(context, sender, senderKey) === null) return;
  context.rows.put("withheld", "", senderKey, rowOf(context, refusal));
  markWedged(context, sender, senderKey);
}

/** Why a session is missing, as far as anybody said: of the session itself, or that its sender's device could not reach us, and has not since. */
export function whyWithheld(
  { rows }: Context,
  event: { readonly roomId: string; readonly sessionId: string; readonly senderKey: unknown },
): WithheldRow | null {
  const row = rows.get("withheld", event.roomId, event.sessionId);
  const { senderKey } = event;
  if (row !== null || typeof senderKey !== "string") return row;
  const unreachable = rows.get("withheld", "", senderKey);
  if (unreachable === null) return null;
  const sinceMs = unreachable.atMs ?? 0;
  const reached = rows.list("olm", senderKey).some(({ row: olm }) => (olm.receivedAtMs ?? 0) > sinceMs);
  return reached ? null : unreachable;
}
