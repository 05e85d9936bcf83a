// Relations between events (Client-Server API, "Forming relationships between events") and what servers bundle with an event.
import { type JsonObject, objectAt, stringAt } from "./json.ts";
import type { Room, StoredEvent } from "./world.ts";

export interface Relation {
  readonly type: string;
  readonly eventId: string;
  readonly key: string | null;
}

export const relationOf = (content: JsonObject): Relation | null => {
  const relates = objectAt(content, "m.relates_to");
  const type = relates === null ? null : stringAt(relates, "rel_type");
  const eventId = relates === null ? null : stringAt(relates, "event_id");
  if (relates === null || type === null || eventId === null) return null;
  return { type, eventId, key: stringAt(relates, "key") };
};

/** Events that relate to `eventId`, oldest first; redacted ones relate no more. */
export const relatingTo = (room: Room, eventId: string, type: string | null): StoredEvent[] =>
  (room.related.get(eventId) ?? []).filter(
    (event) => event.redactedBy === null && (type === null || relationOf(event.content)?.type === type),
  );

/** The newest edit by the author of the event itself; edits by others are none. */
export const latestEdit = (room: Room, event: StoredEvent): StoredEvent | null =>
  relatingTo(room, event.eventId, "m.replace").findLast((edit) => edit.sender === event.sender) ?? null;
