// An event as a client gets it (Client-Server API, "Room event format"): redaction applied, `unsigned` filled as the profile's server does.
import type { JsonObject } from "./json.ts";
import { latestEdit, relatingTo } from "./relations.ts";
import type { Room, Session, StoredEvent, World } from "./world.ts";

const KEPT_BY_REDACTION: Readonly<Record<string, readonly string[]>> = {
  "m.room.member": ["membership", "join_authorised_via_users_server"],
  "m.room.join_rules": ["join_rule", "allow"],
  "m.room.history_visibility": ["history_visibility"],
  "m.room.power_levels": [
    "ban",
    "events",
    "events_default",
    "invite",
    "kick",
    "redact",
    "state_default",
    "users",
    "users_default",
  ],
};

const contentOf = (event: StoredEvent): JsonObject => {
  if (event.redactedBy === null || event.type === "m.room.create") return event.content;
  const kept = KEPT_BY_REDACTION[event.type] ?? [];
  return Object.fromEntries(Object.entries(event.content).filter(([key]) => kept.includes(key)));
};

const showsTransaction = (world: World, event: StoredEvent, viewer: Session): boolean => {
  if (event.transaction === null || event.sender !== viewer.userId) return false;
  switch (world.profile.transactionIdShownTo) {
    case "device":
      return event.transaction.deviceId === viewer.deviceId;
    case "live-session": {
      const { session } = event.transaction;
      return [...world.sessions.values()].some(({ serial }) => serial === session);
    }
    case "user":
      return true;
  }
};

const ageOf = (world: World, event: StoredEvent): JsonObject => {
  if (world.profile.age === "absent") return {};
  return { age: world.profile.age === "one" ? 1 : Math.max(0, world.now() - event.originServerTs) };
};

const bundled = (world: World, room: Room, event: StoredEvent, viewer: Session): JsonObject => {
  const relations: JsonObject = {};
  const edit = world.profile.bundledRelations.includes("m.replace") ? latestEdit(room, event) : null;
  if (edit !== null) relations["m.replace"] = plainView(world, room, edit, viewer);
  const thread = world.profile.bundledRelations.includes("m.thread")
    ? relatingTo(room, event.eventId, "m.thread")
    : [];
  const latest = thread.at(-1);
  if (latest !== undefined) {
    relations["m.thread"] = {
      latest_event: plainView(world, room, latest, viewer),
      count: thread.length,
      current_user_participated: thread.some((reply) => reply.sender === viewer.userId),
    };
  }
  return Object.keys(relations).length === 0 ? {} : { "m.relations": relations };
};

const plainView = (world: World, room: Room, event: StoredEvent, viewer: Session): JsonObject => {
  const transaction = showsTransaction(world, event, viewer)
    ? { transaction_id: event.transaction?.id ?? "" }
    : {};
  const previous = event.replaces === null ? {} : replacedView(event.replaces);
  const redaction =
    event.redactedBy === null ? {} : { redacted_because: plainView(world, room, event.redactedBy, viewer) };
  return {
    type: event.type,
    sender: event.sender,
    content: contentOf(event),
    event_id: event.eventId,
    origin_server_ts: event.originServerTs,
    room_id: room.roomId,
    ...(event.stateKey === null ? {} : { state_key: event.stateKey }),
    ...(event.redacts === null ? {} : { redacts: event.redacts }),
    unsigned: { ...ageOf(world, event), ...transaction, ...previous, ...redaction },
  };
};

const replacedView = (event: StoredEvent): JsonObject => ({
  prev_content: contentOf(event),
  replaces_state: event.eventId,
  prev_sender: event.sender,
});

/** The event with its bundled relations. */
export const viewOf = (world: World, room: Room, event: StoredEvent, viewer: Session): JsonObject => {
  const view = plainView(world, room, event, viewer);
  const relations = bundled(world, room, event, viewer);
  return { ...view, unsigned: { ...(view["unsigned"] as JsonObject), ...relations } }; // plainView makes it an object
};

/** In /sync the room is the key above, so the event does not repeat it. */
export const syncViewOf = (world: World, room: Room, event: StoredEvent, viewer: Session): JsonObject => {
  const { room_id: _, ...view } = viewOf(world, room, event, viewer);
  return view;
};
