// Reading a room: one event, pages, surroundings, relations, threads (Client-Server API, "Getting events for a room").
import { param, type Route, type SignedCall, signed } from "../call.ts";
import { eventFilter, inlineFilter } from "../filters.ts";
import type { JsonObject } from "../json.ts";
import { badRequest, notFound, Refusal, type Reply, reply } from "../refusal.ts";
import { relatingTo, relationOf } from "../relations.ts";
import { eventOf, isVisible, knownRoom, stateBefore } from "../rooms.ts";
import { parseToken, positionToken } from "../tokens.ts";
import { viewOf } from "../views.ts";
import type { Room, StoredEvent } from "../world.ts";

const LIMIT_DEFAULT = 10;
const LIMIT_MAX = 1000;

const limitOf = (call: SignedCall): number => {
  const asked = Number(call.query.get("limit") ?? LIMIT_DEFAULT);
  if (!Number.isInteger(asked) || asked < 0)
    throw badRequest("M_INVALID_PARAM", "limit must be a positive integer");
  return Math.min(asked, LIMIT_MAX);
};

const positionOf = (call: SignedCall, key: string, otherwise: number): number => {
  const text = call.query.get(key);
  if (text === null) return otherwise;
  const token = parseToken(text);
  if (token === null)
    throw badRequest(call.world.profile.badSince ?? "M_UNKNOWN", `Invalid stream token in ${key}`);
  return token.position;
};

const getEvent = (call: SignedCall): JsonObject => {
  const room = knownRoom(call.world, param(call, "roomId"), call.user.userId);
  const event = eventOf(room, param(call, "eventId"));
  if (!isVisible(room, call.user.userId, event)) throw notFound("Event not found.");
  return viewOf(call.world, room, event, call.session);
};

interface Page {
  readonly events: readonly StoredEvent[];
  /** Where the next page begins; null at the end. */
  readonly next: number | null;
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly backwards: boolean;
}

const within = ({ from, to, backwards }: Range, { position }: StoredEvent): boolean =>
  backwards ? position <= from && position > to : position > from && position <= to;

/** All that the user may see and wants of a range, in the order asked for. */
const found = (call: SignedCall, room: Room, range: Range): StoredEvent[] => {
  const filter = eventFilter(
    inlineFilter(call.query.get("filter")) ?? {},
    call.world.profile.filterWildcards,
  );
  const events = room.events.filter(
    (event) => within(range, event) && isVisible(room, call.user.userId, event) && filter.accepts(event),
  );
  return range.backwards ? events.reverse() : events;
};

const nextOf = (call: SignedCall, room: Room, range: Range, last: StoredEvent): number | null => {
  if (!range.backwards) return last.position;
  if (call.world.profile.messagesEnd === "empty") return last.position - 1;
  const first = room.events[0]?.position ?? 0;
  const next = Math.max(first, last.position - 1);
  return next === range.from ? null : next;
};

const pageOf = (call: SignedCall, room: Room, backwards: boolean): Page => {
  const range: Range = {
    from: positionOf(call, "from", backwards ? call.world.position : 0),
    to: positionOf(call, "to", backwards ? 0 : call.world.position),
    backwards,
  };
  const overshoots = call.world.profile.messagesEnd === "overshoots" && backwards;
  const inRange = found(call, room, range);
  const beyond =
    overshoots && inRange.length === 0 ? found(call, room, { ...range, to: 0 }).slice(0, 1) : inRange;
  const events = beyond.slice(0, limitOf(call));
  const last = events.at(-1);
  return { events, next: last === undefined ? null : nextOf(call, room, range, last) };
};

/** The direction asked for, or the default of the server, or a refusal. */
const isBackwards = (call: SignedCall): boolean => {
  const direction = call.query.get("dir") ?? call.world.profile.directionDefault;
  if (direction !== "b" && direction !== "f")
    throw badRequest(direction === null ? "M_MISSING_PARAM" : "M_INVALID_PARAM", "dir must be b or f");
  return direction === "b";
};

const isTooSoonAfterLeave = (call: SignedCall, room: Room): boolean => {
  if (call.world.profile.messagesAfterLeave === "allowed") return false;
  const last = room.memberships.get(call.user.userId)?.at(-1);
  if (
    last === undefined ||
    last.content["membership"] === "join" ||
    call.user.leavesNoticed.has(last.eventId)
  )
    return false;
  call.user.leavesNoticed.add(last.eventId);
  return true;
};

const messages = (call: SignedCall): JsonObject | Reply => {
  const room = knownRoom(call.world, param(call, "roomId"), call.user.userId);
  if (isTooSoonAfterLeave(call, room)) return reply(500, null);
  const backwards = isBackwards(call);
  const needsFrom = call.world.profile.messagesEnd === "overshoots" && !backwards;
  if (needsFrom && !call.query.has("from")) throw badRequest("M_INVALID_PARAM", "Invalid from parameter");
  const { events, next } = pageOf(call, room, backwards);
  const start = call.query.get("from") ?? positionToken(backwards ? call.world.position : 0);
  return {
    chunk: events.map((event) => viewOf(call.world, room, event, call.session)),
    start,
    ...(next === null ? {} : { end: positionToken(next) }),
  };
};

const context = (call: SignedCall): JsonObject => {
  const room = knownRoom(call.world, param(call, "roomId"), call.user.userId);
  const event = eventOf(room, param(call, "eventId"));
  const limit = Math.floor(limitOf(call) / 2);
  const index = room.events.indexOf(event);
  const view = (events: readonly StoredEvent[]): JsonObject[] =>
    events.map((entry) => viewOf(call.world, room, entry, call.session));
  const before = room.events.slice(Math.max(0, index - limit), index).reverse();
  const after = room.events.slice(index + 1, index + 1 + limit);
  const last = after.at(-1) ?? event;
  return {
    event: viewOf(call.world, room, event, call.session),
    events_before: view(before),
    events_after: view(after),
    start: positionToken((before.at(-1) ?? event).position - 1),
    end: positionToken(last.position),
    state: view([...stateBefore(room, last.position + 1).values()]),
  };
};

const relations = (call: SignedCall): JsonObject => {
  const room = knownRoom(call.world, param(call, "roomId"), call.user.userId);
  eventOf(room, param(call, "eventId"));
  const type = call.params["type"] ?? null;
  const from = positionOf(call, "from", Number.POSITIVE_INFINITY);
  const found = relatingTo(room, param(call, "eventId"), call.params["relType"] ?? null)
    .filter((event) => type === null || event.type === type)
    .filter((event) => event.position <= from)
    .reverse();
  const ordered = call.query.get("dir") === "f" ? found.reverse() : found;
  const events = ordered.slice(0, limitOf(call));
  const last = events.at(-1);
  return {
    chunk: events.map((event) => viewOf(call.world, room, event, call.session)),
    ...(last === undefined || events.length === ordered.length
      ? {}
      : { next_batch: positionToken(last.position - 1) }),
  };
};

const threads = (call: SignedCall): JsonObject => {
  const habit = call.world.profile.threads;
  if (habit === "no") throw new Refusal(404, "M_UNRECOGNIZED", "Unrecognized request");
  if (habit === "needs-parameters" && !call.query.has("include")) {
    throw badRequest("M_BAD_JSON", "missing field `include`");
  }
  const room = knownRoom(call.world, param(call, "roomId"), call.user.userId);
  const roots = new Set(
    room.events
      .map((event) => relationOf(event.content))
      .filter((relation) => relation?.type === "m.thread")
      .map((relation) => relation?.eventId),
  );
  const events = room.events.filter((event) => roots.has(event.eventId)).reverse();
  return { chunk: events.map((event) => viewOf(call.world, room, event, call.session)) };
};

const atTimestamp = (call: SignedCall): JsonObject => {
  if (!call.world.profile.extras) throw new Refusal(404, "M_UNRECOGNIZED", "Unrecognized request");
  const room = knownRoom(call.world, param(call, "roomId"), call.user.userId);
  const ts = Number(call.query.get("ts"));
  const found =
    call.query.get("dir") === "f"
      ? room.events.find((event) => event.originServerTs >= ts)
      : room.events.findLast((event) => event.originServerTs <= ts);
  if (found === undefined) throw notFound("Unable to find event");
  return { event_id: found.eventId, origin_server_ts: found.originServerTs };
};

const ROOM = "/_matrix/client/v3/rooms/:roomId";
const ROOM_V1 = "/_matrix/client/v1/rooms/:roomId";

export const historyRoutes: readonly Route[] = [
  signed("GET", `${ROOM}/event/:eventId`, getEvent),
  signed("GET", `${ROOM}/messages`, messages),
  signed("GET", `${ROOM}/context/:eventId`, context),
  signed("GET", `${ROOM_V1}/relations/:eventId`, relations),
  signed("GET", `${ROOM_V1}/relations/:eventId/:relType`, relations),
  signed("GET", `${ROOM_V1}/relations/:eventId/:relType/:type`, relations),
  signed("GET", `${ROOM_V1}/threads`, threads),
  signed("GET", `${ROOM_V1}/timestamp_to_event`, atTimestamp),
];
