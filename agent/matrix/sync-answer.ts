// The answer of /sync as plain values (Client-Server API, "Syncing"). Every part may be absent, null or odd: it is then empty.
import { missing } from "./answer.ts";
import { parseRoomEvents } from "./events.ts";
import {
  asInteger,
  asList,
  asObject,
  asString,
  field,
  isObject,
  objectAt,
  objectsOf,
  stringsOf,
} from "./json.ts";
import type { JsonObject, RoomEvent, SyncBatch } from "./types.ts";

export interface RoomAnswer {
  readonly timeline: readonly RoomEvent[];
  /** Events between the position asked from and the timeline are missing. */
  readonly limited: boolean;
  /** Where /messages goes on backwards from the timeline. */
  readonly prevBatch: string | null;
  /** State changes, in order, those of the timeline included. */
  readonly state: readonly RoomEvent[];
}

export interface SyncAnswer extends Omit<SyncBatch, "initial" | "joined" | "nextBatch"> {
  readonly nextBatch: string;
  readonly joined: ReadonlyMap<string, RoomAnswer>;
}

const stateOf = (room: JsonObject, roomId: string, timeline: readonly RoomEvent[]): readonly RoomEvent[] => {
  // MSC4222 (v1.16): the state after the timeline, where a server knows it; the older form can be wrong after a gap.
  const after =
    asObject(field(room, "state_after")) ?? asObject(field(room, "org.matrix.msc4222.state_after"));
  if (after !== null) return parseRoomEvents(asList(field(after, "events")), roomId);
  const before = parseRoomEvents(asList(field(objectAt(room, "state"), "events")), roomId);
  return [...before, ...timeline.filter((event) => event.stateKey !== undefined)];
};

const parseRoom = (room: JsonObject, roomId: string): RoomAnswer => {
  const part = objectAt(room, "timeline");
  const timeline = parseRoomEvents(asList(field(part, "events")), roomId);
  return {
    timeline,
    limited: field(part, "limited") === true,
    prevBatch: asString(field(part, "prev_batch")),
    state: stateOf(room, roomId, timeline),
  };
};

const roomsOf = (body: JsonObject, kind: "join" | "invite" | "leave"): readonly [string, JsonObject][] =>
  Object.entries(objectAt(body, "rooms", kind)).filter((entry): entry is [string, JsonObject] =>
    isObject(entry[1]),
  );

const countsOf = (body: JsonObject): Readonly<Record<string, number>> | null => {
  const counts = asObject(field(body, "device_one_time_keys_count"));
  if (counts === null) return null;
  return Object.fromEntries(
    Object.entries(counts).map(([algorithm, count]) => [algorithm, asInteger(count) ?? 0]),
  );
};

const fallbackTypesOf = (body: JsonObject): readonly string[] | null => {
  const types =
    field(body, "device_unused_fallback_key_types") ??
    field(body, "org.matrix.msc2732.device_unused_fallback_key_types");
  return Array.isArray(types) ? stringsOf(types) : null;
};

/** Throws a `MatrixError` when the answer has no position to go on from. */
export const parseSyncAnswer = (body: JsonObject): SyncAnswer => {
  const nextBatch = asString(field(body, "next_batch"));
  if (nextBatch === null) throw missing("sync", "next_batch");
  const lists = objectAt(body, "device_lists");
  const joined = roomsOf(body, "join");
  const invited = roomsOf(body, "invite");
  const left = roomsOf(body, "leave");
  const toDevice = objectsOf(field(objectAt(body, "to_device"), "events"));
  const changed = stringsOf(field(lists, "changed"));
  const accountData = objectsOf(field(objectAt(body, "account_data"), "events"));
  return {
    nextBatch,
    joined: new Map(joined.map(([roomId, room]) => [roomId, parseRoom(room, roomId)])),
    invited: new Map(
      invited.map(([roomId, room]) => [roomId, objectsOf(field(objectAt(room, "invite_state"), "events"))]),
    ),
    left: new Set(left.map(([roomId]) => roomId)),
    toDevice,
    deviceLists: { changed, left: stringsOf(field(lists, "left")) },
    oneTimeKeyCounts: countsOf(body),
    unusedFallbackKeyTypes: fallbackTypesOf(body),
    accountData,
  };
};
