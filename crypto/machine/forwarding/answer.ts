// Answering key requests (Client-Server API, "m.room_key_request", "m.forwarded_room_key"): those of our own user's verified devices, under the keys that are
// pinned for them (CVE-2021-40823: a request names a device, and anybody can write a name), and nobody else's. Off unless it is configured.
import { isJsonObject, type JsonObject, member } from "../../shape.ts";
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import { exportedSession } from "../backup/upload.ts";
import type { Context } from "../context.ts";
import { verifiedDevices } from "../devices/own.ts";
import { claimFor } from "../olm/claim.ts";
import { ENCRYPTED, encryptForDevice, queueToDevice } from "../olm/encrypt.ts";
import { WITHHELD_TYPE, withheldMessage } from "../rooms/withheld.ts";
import type { KeyAnswerRow } from "../store/sharing-rows.ts";
import type { DeviceRow, InboundRow } from "../store/store.ts";
import {
  ID_CHARS_MAX,
  KEY_ANSWER_MS,
  KEY_ANSWERS_MAX,
  KEY_ANSWERS_PER_CALL,
  REQUEST_ID_CHARS_MAX,
} from "./limits.ts";

/** An `m.room_key_request`, in clear. It waits: its device may be about to be verified. */
export function receiveKeyRequest(context: Context, sender: string, content: JsonObject): void {
  if (context.keyForwarding?.answers !== true || sender !== context.userId) return;
  const [action, id, deviceId, body] = ["action", "request_id", "requesting_device_id", "body"].map((key) =>
    member(content, key),
  );
  if (typeof id !== "string" || id.length > REQUEST_ID_CHARS_MAX || typeof deviceId !== "string") return;
  const { rows } = context;
  const item = JSON.stringify([deviceId, id]);
  if (action === "request_cancellation") {
    if (rows.get("keyAnswer", "", item) !== null) rows.delete("keyAnswer", "", item);
    return;
  }
  const [roomId, sessionId] = wanted(body);
  if (action !== "request" || roomId === null || sessionId === null || deviceId === context.deviceId) return;
  // Of devices that are known only: whoever can send as our user can make up any number of others.
  if (rows.get("device", sender, deviceId) === null) return;
  if (rows.list("keyAnswer", "").length >= KEY_ANSWERS_MAX) return;
  rows.put("keyAnswer", "", item, { id, deviceId, roomId, sessionId, atMs: context.nowMs });
}

function wanted(body: unknown): readonly [roomId: string | null, sessionId: string | null] {
  if (!isJsonObject(body) || member(body, "algorithm") !== MEGOLM_ALGORITHM) return [null, null];
  const text = (name: string): string | null => {
    const value = member(body, name);
    return typeof value === "string" && value.length <= ID_CHARS_MAX ? value : null;
  };
  return [text("room_id"), text("session_id")];
}

/** Answers what may be answered by now, and says no to what waited in vain. With every outgoingRequests. */
export function answerKeyRequests(context: Context): void {
  const waiting = context.rows.list("keyAnswer", "", { after: null, limit: KEY_ANSWERS_MAX });
  if (waiting.length === 0) return;
  const trusted = new Map(verifiedDevices(context).map((device) => [device.deviceId, device]));
  let answered = 0;
  for (const { item, row } of waiting) {
    if (answered >= KEY_ANSWERS_PER_CALL) return;
    const device = trusted.get(row.deviceId);
    const over = Math.abs(context.nowMs - row.atMs) >= KEY_ANSWER_MS;
    const done = device === undefined ? over && refuse(context, row) : answer(context, device, row);
    if (!done && !over) continue;
    context.rows.delete("keyAnswer", "", item);
    answered += 1;
  }
}

/** False where it cannot be sent yet. */
function answer(context: Context, device: DeviceRow, { roomId, sessionId }: KeyAnswerRow): boolean {
  const session = context.rows.get("inbound", roomId, sessionId);
  if (session === null) {
    sayWithheld(
      context,
      device,
      { roomId, sessionId },
      "m.unavailable",
      "This device does not have the key.",
    );
    return true;
  }
  claimFor(context, [device]);
  const content = encryptForDevice(
    context,
    device,
    "m.forwarded_room_key",
    forwardedKey(context, { roomId, sessionId }, session),
  );
  if (content === null) return false;
  const { deviceId, userId } = device;
  queueToDevice(context, ENCRYPTED, [{ userId, deviceId, content }], {});
  return true;
}

/** The session from where we can read it: our own devices may have all of it. */
function forwardedKey(
  context: Context,
  { roomId, sessionId }: { readonly roomId: string; readonly sessionId: string },
  row: InboundRow,
): JsonObject {
  const { senderClaimedKeys, senderKey, sessionKey, sharedHistory } = exportedSession(context, row);
  return {
    algorithm: MEGOLM_ALGORITHM,
    room_id: roomId,
    session_id: sessionId,
    session_key: sessionKey,
    sender_key: senderKey,
    sender_claimed_ed25519_key: senderClaimedKeys["ed25519"] ?? "",
    forwarding_curve25519_key_chain: [],
    ...(sharedHistory ? { shared_history: true, "m.shared_history": true } : {}),
  };
}

/** A device of ours that nobody verified in time. True: there is nothing more to do. */
function refuse(context: Context, row: KeyAnswerRow): boolean {
  const device = context.rows.get("device", context.userId, row.deviceId);
  if (device?.present !== true) return true;
  sayWithheld(
    context,
    device,
    row,
    "m.unauthorised",
    "Only verified devices of this account are given keys.",
  );
  return true;
}

function sayWithheld(
  context: Context,
  device: DeviceRow,
  { roomId, sessionId }: { readonly roomId: string; readonly sessionId: string },
  code: string,
  reason: string,
): void {
  const content = { code, reason, room_id: roomId, session_id: sessionId };
  queueToDevice(context, WITHHELD_TYPE, [withheldMessage(context, device, content)], {});
}
