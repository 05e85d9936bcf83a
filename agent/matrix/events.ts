// Reading room events (Client-Server API, "Room event format"). Tolerant: what is no event is null and left out, what is odd in an event is left at its default.
import { asInteger, asObject, asString, field } from "./json.ts";
import type { JsonObject, JsonValue, RoomEvent } from "./types.ts";

/** `roomId`: the room that it was found in; /sync leaves it out of the event. */
export const parseRoomEvent = (value: JsonValue | undefined, roomId: string): RoomEvent | null => {
  const object = asObject(value);
  if (object === null) return null;
  const eventId = asString(field(object, "event_id"));
  const type = asString(field(object, "type"));
  const sender = asString(field(object, "sender"));
  const content = asObject(field(object, "content"));
  if (eventId === null || type === null || sender === null || content === null) return null;
  const stateKey = asString(field(object, "state_key"));
  return {
    eventId,
    roomId,
    type,
    sender,
    content,
    originServerTs: asInteger(field(object, "origin_server_ts")) ?? 0,
    unsigned: asObject(field(object, "unsigned")) ?? {},
    ...(stateKey === null ? {} : { stateKey }),
  };
};

export const parseRoomEvents = (values: readonly JsonValue[], roomId: string): readonly RoomEvent[] =>
  values.map((value) => parseRoomEvent(value, roomId)).filter((event) => event !== null);

/** Our own transaction ID on an event that this device sent; servers differ in when they tell it (match the event ID too). */
export const transactionIdOf = (event: RoomEvent): string | null =>
  asString(field(event.unsigned, "transaction_id"));

/** Whether the event made `userId` a member (not: changed a member's name). */
export const isJoinOf = (event: RoomEvent, userId: string): boolean => {
  if (event.type !== "m.room.member" || event.stateKey !== userId) return false;
  if (field(event.content, "membership") !== "join") return false;
  const before: JsonObject = asObject(field(event.unsigned, "prev_content")) ?? {};
  return field(before, "membership") !== "join";
};
