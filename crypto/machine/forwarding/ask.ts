// Asking our own devices for a session that is missing (Client-Server API, "m.room_key_request"): verified ones only, and nobody twice. What was asked is
// taken back once the key is here, however it came.
import { encodeBase64 } from "../../base64.ts";
import type { JsonObject } from "../../shape.ts";
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import type { Context } from "../context.ts";
import { verifiedDevices } from "../devices/own.ts";
import { queueToDevice } from "../olm/encrypt.ts";
import type { RoomKey } from "../rooms/inbound.ts";
import type { KeyRequestRow } from "../store/sharing-rows.ts";
import { KEY_REQUEST_MS, KEY_REQUESTS_MAX } from "./limits.ts";

export const REQUEST = "m.room_key_request";
const ID_BYTES = 16;

const itemOf = ({ roomId, sessionId }: RoomKey): string => JSON.stringify([roomId, sessionId]);

/** Wants a session of our other devices, where that is configured; false where it is not, or was done. */
export function requestRoomKey(context: Context, key: RoomKey): boolean {
  const { nowMs, provider, rows } = context;
  if (context.keyForwarding?.asks !== true || rows.get("keyRequest", "", itemOf(key)) !== null) return false;
  const standing = [...rows.list("keyRequest", "")].sort((a, b) => a.row.atMs - b.row.atMs);
  for (const { item, row } of standing.slice(0, Math.max(0, standing.length + 1 - KEY_REQUESTS_MAX)))
    takeBack(context, item, row);
  const id = encodeBase64(provider.random(ID_BYTES));
  rows.put("keyRequest", "", itemOf(key), { id, atMs: nowMs, devices: [] });
  return true;
}

/** Asks each verified device once, also one that is verified later. With every outgoingRequests. */
export function askForKeys(context: Context): void {
  const standing = context.rows.list("keyRequest", "");
  if (standing.length === 0) return;
  const devices = verifiedDevices(context).map(({ deviceId }) => deviceId);
  for (const { item, row } of standing) {
    if (Math.abs(context.nowMs - row.atMs) >= KEY_REQUEST_MS) {
      takeBack(context, item, row);
      continue;
    }
    const fresh = devices.filter((deviceId) => !row.devices.includes(deviceId));
    if (fresh.length === 0) continue;
    context.rows.put("keyRequest", "", item, { ...row, devices: [...row.devices, ...fresh] });
    // The item is our own text: a pair of strings.
    const [room_id, session_id] = JSON.parse(item) as [string, string];
    const body = { algorithm: MEGOLM_ALGORITHM, room_id, session_id };
    say(context, fresh, { action: "request", body, request_id: row.id });
  }
}

/** What we asked for, if we did and the answer is still taken. */
export function standingRequest(context: Context, key: RoomKey): KeyRequestRow | null {
  const row = context.rows.get("keyRequest", "", itemOf(key));
  return row === null || Math.abs(context.nowMs - row.atMs) >= KEY_REQUEST_MS ? null : row;
}

/** A session is here, or begins earlier: nobody need send it any more. */
export function keyArrived(context: Context, key: RoomKey): void {
  const row = context.rows.get("keyRequest", "", itemOf(key));
  if (row !== null) takeBack(context, itemOf(key), row);
}

function takeBack(context: Context, item: string, row: KeyRequestRow): void {
  context.rows.delete("keyRequest", "", item);
  say(context, row.devices, { action: "request_cancellation", request_id: row.id });
}

function say(context: Context, devices: readonly string[], content: JsonObject): void {
  const messages = devices.map((deviceId) => ({
    userId: context.userId,
    deviceId,
    content: { ...content, requesting_device_id: context.deviceId },
  }));
  queueToDevice(context, REQUEST, messages, {});
}
