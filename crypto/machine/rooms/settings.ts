// A room's encryption (Client-Server API, "m.room.encryption"). Once encrypted it stays so: no later state of the server takes that back, and
// its parameters may only become stricter (MSC4131).
import { type JsonObject, member } from "../../shape.ts";
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import type { Context } from "../context.ts";
import { MachineError } from "../errors.ts";
import {
  ROTATION_MESSAGES_DEFAULT,
  ROTATION_MESSAGES_MAX,
  ROTATION_MS_DEFAULT,
  ROTATION_MS_MIN,
} from "../limits.ts";
import type { RoomRow } from "../store/store.ts";

/** The content of an `m.room.encryption` state event, an empty one too (a redacted event). Whether the room is encrypted afterwards. */
export function receiveRoomEncryption(context: Context, roomId: string, content: JsonObject): boolean {
  const known = context.rows.get("room", roomId, "");
  if (member(content, "algorithm") !== MEGOLM_ALGORITHM) {
    if (known !== null) context.notify({ kind: "encryption-downgrade", roomId });
    return known !== null;
  }
  const next = {
    algorithm: MEGOLM_ALGORITHM,
    rotationMs: Math.max(positive(content, "rotation_period_ms") ?? ROTATION_MS_DEFAULT, ROTATION_MS_MIN),
    rotationMessages: Math.min(
      positive(content, "rotation_period_msgs") ?? ROTATION_MESSAGES_DEFAULT,
      ROTATION_MESSAGES_MAX,
    ),
  };
  context.rows.put("room", roomId, "", known === null ? next : stricter(context, roomId, known, next));
  return true;
}

function stricter(context: Context, roomId: string, known: RoomRow, next: RoomRow): RoomRow {
  const weaker = next.rotationMs > known.rotationMs || next.rotationMessages > known.rotationMessages;
  if (weaker) context.notify({ kind: "encryption-downgrade", roomId });
  return {
    algorithm: known.algorithm,
    rotationMs: Math.min(known.rotationMs, next.rotationMs),
    rotationMessages: Math.min(known.rotationMessages, next.rotationMessages),
  };
}

/** @throws MachineError NOT_ENCRYPTED */
export function roomSettings(context: Context, roomId: string): RoomRow {
  const row = context.rows.get("room", roomId, "");
  if (row !== null) return row;
  throw new MachineError(
    "NOT_ENCRYPTED",
    `encryption machine: no encryption settings of ${roomId} are known; pass its m.room.encryption state first`,
  );
}

function positive(content: JsonObject, key: string): number | null {
  const value = member(content, key);
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : null;
}
