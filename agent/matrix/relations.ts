// Contents of events that speak about another event (Client-Server API, "Forming relationships between events", "User and room mentions").
// Pure builders: each takes a content and gives a new one.
import { asObject, field, stringsOf } from "./json.ts";
import type { JsonObject } from "./types.ts";

/** Text for people. */
export const text = (body: string): JsonObject => ({ msgtype: "m.text", body });

/** Text by a machine: no client answers it with a machine of its own, and it makes less noise. */
export const notice = (body: string): JsonObject => ({ msgtype: "m.notice", body });

/** With formatted text beside the plain one. */
export const withHtml = (content: JsonObject, html: string): JsonObject => ({
  ...content,
  format: "org.matrix.custom.html",
  formatted_body: html,
});

/** Makes the phones of these users ring. `m.mentions` without anybody says that nobody is meant, whatever the text holds. */
export const withMentions = (content: JsonObject, userIds: readonly string[], room = false): JsonObject => ({
  ...content,
  "m.mentions": { ...(userIds.length > 0 ? { user_ids: userIds } : {}), ...(room ? { room: true } : {}) },
});

const relatesTo = (content: JsonObject): JsonObject => asObject(field(content, "m.relates_to")) ?? {};

/** An answer to one event. Within a thread, build the reply first and then the thread. */
export const reply = (content: JsonObject, toEventId: string): JsonObject => ({
  ...content,
  "m.relates_to": { ...relatesTo(content), "m.in_reply_to": { event_id: toEventId } },
});

/** A message in the thread under `rootEventId`. `lastEventId`: what clients without threads show it as an answer to. */
export const inThread = (content: JsonObject, rootEventId: string, lastEventId: string): JsonObject => {
  const real = field(relatesTo(content), "m.in_reply_to");
  return {
    ...content,
    "m.relates_to": {
      rel_type: "m.thread",
      event_id: rootEventId,
      // "Fallback for unthreaded clients": only a reply that was meant as one is none.
      is_falling_back: real === undefined,
      "m.in_reply_to": real ?? { event_id: lastEventId },
    },
  };
};

/**
 * Replaces the content of an own earlier event ("Event replacements"). Clients without edits show the text with a star.
 * An edit mentions nobody again: `m.mentions` of the new text stays within `m.new_content`, those outside are the newly mentioned only.
 */
export const edit = (
  content: JsonObject,
  eventId: string,
  newlyMentioned: readonly string[] = [],
): JsonObject => {
  const body = field(content, "body");
  const html = field(content, "formatted_body");
  const { "m.relates_to": _dropped, ...newContent } = content;
  const shown: JsonObject = {
    ...newContent,
    ...(typeof body === "string" ? { body: `* ${body}` } : {}),
    ...(typeof html === "string" ? { formatted_body: `* ${html}` } : {}),
  };
  return {
    ...withMentions(shown, newlyMentioned),
    "m.new_content": newContent,
    "m.relates_to": { rel_type: "m.replace", event_id: eventId },
  };
};

/** Content of an `m.reaction` ("Event annotations and reactions"). Travels in clear in encrypted rooms: never an authorisation. */
export const reaction = (eventId: string, key: string): JsonObject => ({
  "m.relates_to": { rel_type: "m.annotation", event_id: eventId, key },
});

export interface Relation {
  /** Null for a plain reply. */
  readonly type: string | null;
  readonly eventId: string | null;
  readonly inReplyTo: string | null;
}

const textAt = (object: JsonObject | null, key: string): string | null => {
  const value = object === null ? undefined : field(object, key);
  return typeof value === "string" ? value : null;
};

/** What an event of somebody else relates to; null when it stands alone. In encrypted events this is in the clear part. */
export const relationOf = (content: JsonObject): Relation | null => {
  const relation = asObject(field(content, "m.relates_to"));
  if (relation === null) return null;
  return {
    type: textAt(relation, "rel_type"),
    eventId: textAt(relation, "event_id"),
    inReplyTo: textAt(asObject(field(relation, "m.in_reply_to")), "event_id"),
  };
};

/** Who is mentioned; empty when the sender named nobody. */
export const mentionedUsers = (content: JsonObject): readonly string[] =>
  stringsOf(field(asObject(field(content, "m.mentions")) ?? {}, "user_ids"));
