// Who may do what in a room (Client-Server API, "m.room.power_levels"; room version 12: creators stand above all numbers).
// Servers give back only what was set (Conduit), so the specification's defaults are applied here.
import { asObject, asString, field, objectAt, stringsOf } from "./json.ts";
import type { JsonObject, JsonValue, PowerLevels } from "./types.ts";

const USERS_DEFAULT = 0;
const EVENTS_DEFAULT = 0;
const STATE_DEFAULT = 50;
/** Of the creator, where the room has no power levels at all (versions before 12). */
const CREATOR_DEFAULT = 100;
const FIRST_VERSION_WITH_PRIVILEGED_CREATORS = 12;

/** What of `m.room.create` counts: its content, and its sender (null: the server did not say). */
export interface Creation {
  readonly sender: string | null;
  readonly content: JsonObject;
}

// Before room version 10 levels may be strings of digits.
const level = (value: JsonValue | undefined, otherwise: number): number => {
  const number = typeof value === "string" && /^\s*[+-]?\d{1,15}\s*$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) ? number : otherwise;
};

/** An absent version is 1. Versions that are no number are somebody's experiment: only their own server knows, so no privilege is assumed. */
export const creatorsArePrivileged = (creation: Creation): boolean => {
  const version = asString(field(creation.content, "room_version")) ?? "1";
  return /^\d{1,4}$/.test(version) && Number(version) >= FIRST_VERSION_WITH_PRIVILEGED_CREATORS;
};

/** The users with infinite power; none before version 12. */
export const privilegedCreators = (creation: Creation): ReadonlySet<string> => {
  if (!creatorsArePrivileged(creation)) return new Set();
  const more = stringsOf(field(creation.content, "additional_creators"));
  return new Set(creation.sender === null ? more : [creation.sender, ...more]);
};

const creatorOf = (creation: Creation): string | null =>
  asString(field(creation.content, "creator")) ?? creation.sender;

/** `content`: of `m.room.power_levels`, null when the room has none. */
export const parsePowerLevels = (creation: Creation, content: JsonObject | null): PowerLevels => {
  const creators = privilegedCreators(creation);
  const levels = content ?? {};
  const users = objectAt(levels, "users");
  const events = objectAt(levels, "events");
  const usersDefault = level(field(levels, "users_default"), USERS_DEFAULT);
  const loneCreator = content === null ? creatorOf(creation) : null;
  return {
    userLevel: (userId) => {
      if (creators.has(userId)) return Number.POSITIVE_INFINITY;
      return level(field(users, userId), userId === loneCreator ? CREATOR_DEFAULT : usersDefault);
    },
    eventLevel: (type, isState) => {
      const otherwise = isState
        ? level(field(levels, "state_default"), STATE_DEFAULT)
        : level(field(levels, "events_default"), EVENTS_DEFAULT);
      return level(field(events, type), otherwise);
    },
  };
};

/** What servers themselves put into a new room. An own `events` replaces theirs as a whole, so it has to hold them too: without, anybody who may set the topic may set the levels. */
const NEW_ROOM_EVENTS: Readonly<Record<string, number>> = {
  "m.room.name": 50,
  "m.room.avatar": 50,
  "m.room.canonical_alias": 50,
  "m.room.power_levels": 100,
  "m.room.history_visibility": 100,
  "m.room.encryption": 100,
  "m.room.server_acl": 100,
  "m.room.tombstone": 150,
};

/** `power_level_content_override` of a createRoom. Names no users: version 12 refuses its creator among them, older versions add it themselves. */
export const powerLevelOverride = (events: Readonly<Record<string, number>>): JsonObject => ({
  events: { ...NEW_ROOM_EVENTS, ...events },
});

/** A create event as `GET .../state/m.room.create?format=event` or `/state` gives it; null when `value` is only its content. */
export const parseCreation = (value: JsonObject): Creation | null => {
  const content = asObject(field(value, "content"));
  const sender = asString(field(value, "sender"));
  return content === null || sender === null ? null : { sender, content };
};
