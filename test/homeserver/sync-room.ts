// One room's part of a /sync answer (Client-Server API, "Syncing"): timeline with its gap, the state before it, ephemeral and account data.
import type { SyncFilter } from "./filters.ts";
import { type JsonObject, objectAt } from "./json.ts";
import { isVisible, joinedMembers, stateBefore } from "./rooms.ts";
import { encodeToken, positionToken } from "./tokens.ts";
import { syncViewOf } from "./views.ts";
import {
  type Device,
  type Receipt,
  type Room,
  type Session,
  type StoredEvent,
  stateOf,
  type User,
  type World,
} from "./world.ts";

export interface SyncRequest {
  readonly world: World;
  readonly session: Session;
  readonly user: User;
  readonly device: Device;
  readonly filter: SyncFilter;
  /** 0: initial. */
  readonly since: number;
  readonly fullState: boolean;
  /** The gap fault: at most so many timeline events per room. */
  readonly gapLimit: number | null;
}

interface Timeline {
  readonly events: readonly StoredEvent[];
  readonly limited: boolean;
  /** Events before this position are state to the client. */
  readonly start: number;
}

/** Was `userId` in the room just after `position`? */
const wasJoined = (room: Room, userId: string, position: number): boolean =>
  room.memberships.get(userId)?.findLast((event) => event.position <= position)?.content["membership"] ===
  "join";

const timelineOf = (request: SyncRequest, room: Room, since: number): Timeline => {
  const { world, user, filter } = request;
  const limit = Math.min(
    request.gapLimit ?? Number.POSITIVE_INFINITY,
    world.profile.timelineLimit ?? filter.timeline.limit,
  );
  const events: StoredEvent[] = [];
  let limited = false;
  for (let index = room.events.length - 1; index >= 0; index -= 1) {
    const event = room.events[index];
    if (event === undefined || event.position <= since) break;
    if (!isVisible(room, user.userId, event) || !filter.timeline.accepts(event)) continue;
    limited = events.length === limit;
    if (limited) break;
    events.unshift(event);
  }
  return { events, limited, start: startOf(world, events, limited, since) };
};

/** Without a gap all since `since` counts as covered, filtered events too: their state belongs to `state`. */
const startOf = (world: World, events: readonly StoredEvent[], limited: boolean, since: number): number =>
  events[0]?.position ?? (limited ? world.position + 1 : since + 1);

const isMember = (event: StoredEvent): boolean => event.type === "m.room.member";

/** Who names a room without a name (Client-Server API, "Room summary"). */
const heroesOf = (request: SyncRequest, room: Room): string[] => {
  if (stateOf(room, "m.room.name") !== null || stateOf(room, "m.room.canonical_alias") !== null) return [];
  return joinedMembers(room)
    .filter((userId) => userId !== request.user.userId)
    .slice(0, 5);
};

/** Lazy loading: members only for the senders seen, each once per device and room. */
const lazyMembers = (request: SyncRequest, room: Room, timeline: Timeline): StoredEvent[] => {
  const sent = request.device.membersSent.get(room.roomId) ?? new Set<string>();
  request.device.membersSent.set(room.roomId, sent);
  const heroes = request.world.profile.heroesInState ? heroesOf(request, room) : [];
  const wanted = new Set([request.user.userId, ...heroes, ...timeline.events.map((event) => event.sender)]);
  const before = stateBefore(room, timeline.start);
  const fresh = [...before.values()].filter(
    (event) => isMember(event) && wanted.has(event.stateKey ?? "") && !sent.has(event.stateKey ?? ""),
  );
  for (const event of fresh) sent.add(event.stateKey ?? "");
  for (const event of timeline.events) if (isMember(event)) sent.add(event.stateKey ?? "");
  return fresh;
};

const followsWithoutHole = (room: Room, timeline: Timeline, since: number): boolean => {
  const first = room.events.findIndex((event) => event.position > since);
  return !timeline.limited && timeline.events.every((event, index) => room.events[first + index] === event);
};

/**
 * State that the timeline does not tell: of the gap or of before an initial sync, and, on some servers, of events that the timeline's filter
 * dropped. Without a gap and without such events there is none.
 */
const stateOfRoom = (request: SyncRequest, room: Room, timeline: Timeline, since: number): StoredEvent[] => {
  const { filter, world } = request;
  const inTimeline = new Set(timeline.events);
  const before = [...stateBefore(room, timeline.start).values()].filter((event) => event.position > since);
  const isLost = world.profile.filteredState !== "shown" && followsWithoutHole(room, timeline, since);
  const dropped = isLost ? [] : room.stateEvents.filter(({ position }) => position >= timeline.start);
  const latest = new Map<string, StoredEvent>();
  for (const event of [...before, ...dropped]) latest.set(`${event.type}\0${event.stateKey}`, event);
  const isLazy = filter.state.lazyLoadMembers;
  const plain = [...latest.values()].filter((event) => !isLazy || !isMember(event) || since > 0);
  const members = isLazy ? lazyMembers(request, room, timeline) : [];
  return [...new Set([...plain, ...members])].filter(
    (event) => filter.state.accepts(event) && !inTimeline.has(event),
  );
};

const receiptsOf = (room: Room, since: number, userId: string): JsonObject | null => {
  const content: JsonObject = {};
  for (const receipt of room.receipts.values()) {
    if (receipt.position <= since || (receipt.type === "m.read.private" && receipt.userId !== userId))
      continue;
    const byType = objectAt(content, receipt.eventId) ?? {};
    const byUser = objectAt(byType, receipt.type) ?? {};
    content[receipt.eventId] = {
      ...byType,
      [receipt.type]: { ...byUser, [receipt.userId]: receiptView(receipt) },
    };
  }
  return Object.keys(content).length === 0 ? null : { type: "m.receipt", content };
};

const receiptView = (receipt: Receipt): JsonObject => ({
  ts: receipt.ts,
  ...(receipt.threadId === null ? {} : { thread_id: receipt.threadId }),
});

const ephemeralOf = (request: SyncRequest, room: Room): JsonObject[] => {
  const events: JsonObject[] = [];
  const receipts = receiptsOf(room, request.since, request.user.userId);
  if (receipts !== null) events.push(receipts);
  if (room.typingPosition > request.since) {
    const now = request.world.now();
    const typing = [...room.typing].filter(([, until]) => until > now).map(([userId]) => userId);
    if (typing.length > 0 || request.since > 0)
      events.push({ type: "m.typing", content: { user_ids: typing } });
  }
  return events.filter((event) =>
    request.filter.ephemeral.accepts({ type: String(event["type"]), sender: "", content: {} }),
  );
};

const accountDataOf = (request: SyncRequest, roomId: string): JsonObject[] =>
  [...request.user.accountData.values()]
    .filter((datum) => datum.roomId === roomId && datum.position > request.since)
    .filter(({ type, content }) => request.filter.roomAccountData.accepts({ type, sender: "", content }))
    .map(({ type, content }) => ({ type, content }));

const summaryOf = (request: SyncRequest, room: Room): JsonObject => {
  if (!request.filter.state.lazyLoadMembers) return {};
  const joined = joinedMembers(room);
  return {
    "m.heroes": heroesOf(request, room),
    "m.joined_member_count": joined.length,
    "m.invited_member_count": [...room.memberships.values()].filter(
      (history) => history.at(-1)?.content["membership"] === "invite",
    ).length,
  };
};

const timelineView = (request: SyncRequest, room: Room, timeline: Timeline): JsonObject => {
  const first = timeline.events[0];
  const prevBatch =
    first === undefined
      ? positionToken(timeline.limited ? request.world.position : request.since)
      : encodeToken({ position: first.position - 1, toDevice: 0 });
  return {
    events: timeline.events.map((event) => syncViewOf(request.world, room, event, request.session)),
    limited: timeline.limited,
    prev_batch: prevBatch,
  };
};

const isEmpty = (part: JsonObject): boolean => Array.isArray(part["events"]) && part["events"].length === 0;

/** A joined room's part, or null when nothing in it is new. */
export const joinedPart = (request: SyncRequest, room: Room): JsonObject | null => {
  const isNew = request.since === 0 || !wasJoined(room, request.user.userId, request.since);
  const since = isNew ? 0 : request.since;
  const timeline = timelineOf(request, room, since);
  const marked = isNew && request.since > 0 ? { ...timeline, limited: true } : timeline;
  const stateSince = request.fullState ? 0 : since;
  const state = {
    events: stateOfRoom(request, room, marked, stateSince).map((event) =>
      syncViewOf(request.world, room, event, request.session),
    ),
  };
  const ephemeral = { events: ephemeralOf(request, room) };
  const accountData = { events: accountDataOf(request, room.roomId) };
  const view = timelineView(request, room, marked);
  const isQuiet = isEmpty(view) && !marked.limited && [state, ephemeral, accountData].every(isEmpty);
  if (isQuiet && !isNew && !request.fullState) return null;
  return {
    timeline: view,
    state,
    ephemeral,
    account_data: accountData,
    summary: summaryOf(request, room),
    unread_notifications: { notification_count: 0, highlight_count: 0 },
  };
};

/** The part of a room that was left since the last sync: what the user may still see of it. */
export const leftPart = (request: SyncRequest, room: Room): JsonObject | null => {
  const leaving = room.memberships.get(request.user.userId)?.at(-1);
  if (leaving === undefined || leaving.position <= request.since) return null;
  if (request.since === 0 && !request.filter.includeLeave) return null;
  const timeline = timelineOf(request, room, request.since);
  const state = stateOfRoom(request, room, timeline, request.since).filter(
    (event) => event.position <= leaving.position,
  );
  return {
    timeline: timelineView(request, room, timeline),
    state: { events: state.map((event) => syncViewOf(request.world, room, event, request.session)) },
    account_data: { events: [] },
  };
};
