// A room's encryption (Client-Server API, "m.room.encryption"). Once encrypted it stays so: no later state of the server takes that back, and
// its parameters may only become stricter (MSC4131). How often a key rotates is the stricter of what the room says and what the program is configured to do;
// where the room says nothing, the configured value counts, or else what the specification recommends.
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
    rotationMs: within(positive(content, "rotation_period_ms"), ROTATION_MS_MIN, Number.MAX_SAFE_INTEGER),
    rotationMessages: within(positive(content, "rotation_period_msgs"), 1, ROTATION_MESSAGES_MAX),
  };
  context.rows.put("room", roomId, "", known === null ? next : stricter(context, roomId, known, next));
  return true;
}

function stricter(context: Context, roomId: string, known: RoomRow, next: RoomRow): RoomRow {
  const lowest = (before: number | null, now: number | null): number | null =>
    before === null || now === null ? (before ?? now) : Math.min(before, now);
  const rotationMs = lowest(known.rotationMs, next.rotationMs);
  const rotationMessages = lowest(known.rotationMessages, next.rotationMessages);
  // What is kept is not what the room asks for now: it asks for less.
  if (rotationMs !== next.rotationMs || rotationMessages !== next.rotationMessages) {
    context.notify({ kind: "encryption-downgrade", roomId });
  }
  return { algorithm: known.algorithm, rotationMs, rotationMessages };
}

/** How often the keys of a room are made anew. */
export interface Rotation {
  readonly rotationMs: number;
  readonly rotationMessages: number;
}

/** @throws MachineError NOT_ENCRYPTED */
export function roomSettings(context: Context, roomId: string): Rotation {
  const row = context.rows.get("room", roomId, "");
  if (row === null) {
    throw new MachineError(
      "NOT_ENCRYPTED",
      `encryption machine: no encryption settings of ${roomId} are known; pass its m.room.encryption state first`,
    );
  }
  const { rotation } = context;
  const ms = within(rotation?.rotationMs ?? ROTATION_MS_DEFAULT, ROTATION_MS_MIN, Number.MAX_SAFE_INTEGER);
  const messages = within(rotation?.rotationMessages ?? ROTATION_MESSAGES_DEFAULT, 1, ROTATION_MESSAGES_MAX);
  return {
    rotationMs: Math.min(row.rotationMs ?? ms, ms),
    rotationMessages: Math.min(row.rotationMessages ?? messages, messages),
  };
}

function within<T extends number | null>(value: T, least: number, most: number): T | number {
  return value === null ? value : Math.min(Math.max(value, least), most);
}

function positive(content: JsonObject, key: string): number | null {
  const value = member(content, key);
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : null;
}
