// Rooms: appending events (checked, ordered, announced), finding them, and how a client sees them.
import { type JsonObject, stringAt } from "./json.ts";
import { notFound, Refusal } from "./refusal.ts";
import { relationOf } from "./relations.ts";
import { authorise, type Draft, membershipOf } from "./rules.ts";
import { checkSize } from "./size.ts";
import {
  announce,
  freshId,
  nextPosition,
  type Room,
  type Session,
  type StoredEvent,
  stateKeyOf,
  type World,
} from "./world.ts";

export interface Circumstances {
  readonly session?: Session;
  readonly transactionId?: string;
  /** The create event of a version 12 room has its room's ID. */
  readonly eventId?: string;
  /** What `?ts=` asked for, where the profile honours it. */
  readonly ts?: number;
}

const noteRelation = (room: Room, event: StoredEvent): void => {
  const target = relationOf(event.content)?.eventId;
  if (target === undefined) return;
  const known = room.related.get(target);
  if (known === undefined) room.related.set(target, [event]);
  else known.push(event);
};

const store = (world: World, room: Room, event: StoredEvent): void => {
  room.events.push(event);
  room.byId.set(event.eventId, event);
  noteRelation(room, event);
  if (event.stateKey === null) return;
  room.stateEvents.push(event);
  room.state.set(stateKeyOf(event.type, event.stateKey), event);
  if (event.type !== "m.room.member") return;
  const history = room.memberships.get(event.stateKey) ?? [];
  room.memberships.set(event.stateKey, [...history, event]);
  noteMembership(world, room, event);
};

/** Who comes into sight gets its keys looked at: a join counts as a change of device lists for those in the room. */
const noteMembership = (world: World, room: Room, event: StoredEvent): void => {
  if (event.content["membership"] === "join") return;
  for (const device of world.users.get(event.stateKey ?? "")?.devices.values() ?? []) {
    device.membersSent.delete(room.roomId);
  }
};

const redact = (room: Room, event: StoredEvent): void => {
  const target = room.byId.get(event.redacts ?? "");
  if (target !== undefined) target.redactedBy = event;
};

/** Puts an event into a room without asking the rules: for room creation, and for tests. */
export const append = (world: World, room: Room, draft: Draft, how: Circumstances = {}): StoredEvent => {
  const replaces = draft.stateKey === null ? null : room.state.get(stateKeyOf(draft.type, draft.stateKey));
  const event: StoredEvent = {
    eventId: how.eventId ?? `$${freshId(world, "event")}`,
    roomId: room.roomId,
    type: draft.type,
    sender: draft.sender,
    stateKey: draft.stateKey,
    originServerTs: how.ts ?? world.now(),
    position: nextPosition(world),
    content: draft.content,
    redacts: draft.redacts ?? null,
    replaces: replaces ?? null,
    transaction:
      how.session === undefined || how.transactionId === undefined
        ? null
        : { id: how.transactionId, deviceId: how.session.deviceId, session: how.session.serial },
    redactedBy: null,
  };
  store(world, room, event);
  if (event.redacts !== null) redact(room, event);
  return event;
};

const refuseDuplicateReaction = (world: World, room: Room, draft: Draft): void => {
  const relation = relationOf(draft.content);
  if (!world.profile.refusesDuplicateReaction || relation?.type !== "m.annotation") return;
  const again = (room.related.get(relation.eventId) ?? []).some((event) => {
    const other =
      event.redactedBy === null && event.sender === draft.sender ? relationOf(event.content) : null;
    return other?.type === "m.annotation" && other.eventId === relation.eventId && other.key === relation.key;
  });
  if (again) throw new Refusal(400, "M_DUPLICATE_ANNOTATION", "Can't send same reaction twice");
};

/** Appends what a client sent, or throws what a server answers. */
export const submit = (world: World, room: Room, draft: Draft, how: Circumstances = {}): StoredEvent => {
  authorise(room, draft);
  const place = {
    roomId: room.roomId,
    depth: room.events.length,
    serverName: world.serverName,
    ts: world.now(),
  };
  checkSize(world.profile, draft, place);
  refuseDuplicateReaction(world, room, draft);
  const event = append(world, room, draft, how);
  announce(world);
  return event;
};

/** The room as one who is in it; everybody else gets the profile's answer for a room it does not know. */
export const joinedRoom = (world: World, roomId: string, userId: string): Room => {
  const room = world.rooms.get(roomId);
  if (room === undefined) {
    const { status, errcode } = world.profile.unknownRoom;
    throw new Refusal(status, errcode, `User ${userId} not in room ${roomId}, or the room is unknown`);
  }
  if (membershipOf(room, userId) !== "join") {
    throw new Refusal(403, "M_FORBIDDEN", `User ${userId} not in room ${roomId}`);
  }
  return room;
};

/** The room as one who is in it or was. */
export const knownRoom = (world: World, roomId: string, userId: string): Room => {
  const room = world.rooms.get(roomId);
  if (room === undefined || !room.memberships.has(userId)) {
    throw new Refusal(403, "M_FORBIDDEN", `User ${userId} not in room ${roomId}, and never was`);
  }
  return room;
};

export const eventOf = (room: Room, eventId: string): StoredEvent => {
  const event = room.byId.get(eventId);
  if (event === undefined) throw notFound(`Could not find event ${eventId}`);
  return event;
};

/** The membership that `userId` had just after `position`, and where it stands now. */
const membershipAt = (room: Room, userId: string, position: number): string => {
  const event = room.memberships.get(userId)?.findLast((candidate) => candidate.position <= position);
  return event === undefined ? "leave" : (stringAt(event.content, "membership") ?? "leave");
};

const visibilityAt = (room: Room, position: number): string => {
  const event = room.stateEvents.findLast(
    (candidate) => candidate.type === "m.room.history_visibility" && candidate.position <= position,
  );
  return event === undefined ? "shared" : (stringAt(event.content, "history_visibility") ?? "shared");
};

/** Client-Server API, "Room history visibility". */
export const isVisible = (room: Room, userId: string, event: StoredEvent): boolean => {
  if (event.type === "m.room.member" && event.stateKey === userId) return true;
  const visibility = visibilityAt(room, event.position);
  const membership = membershipAt(room, userId, event.position);
  if (visibility === "world_readable" || membership === "join") return true;
  if (visibility === "invited" && membership === "invite")
    return hasJoinedAfter(room, userId, event.position);
  return visibility === "shared" && hasJoinedAfter(room, userId, event.position);
};

const hasJoinedAfter = (room: Room, userId: string, position: number): boolean =>
  room.memberships
    .get(userId)
    ?.some((event) => event.position > position && event.content["membership"] === "join") === true;

/** The state as it was just before `position`. */
export const stateBefore = (room: Room, position: number): Map<string, StoredEvent> => {
  const state = new Map<string, StoredEvent>();
  for (const event of room.stateEvents) {
    if (event.position >= position) break;
    state.set(stateKeyOf(event.type, event.stateKey ?? ""), event);
  }
  return state;
};

export const joinedMembers = (room: Room): string[] =>
  [...room.memberships.keys()].filter((userId) => membershipOf(room, userId) === "join");

export const roomsOf = (world: World, userId: string, membership: string): Room[] =>
  [...world.rooms.values()].filter((room) => membershipOf(room, userId) === membership);

/** All who share a room with `userId`, themselves included. */
export const companions = (world: World, userId: string): Set<string> =>
  new Set([userId, ...roomsOf(world, userId, "join").flatMap(joinedMembers)]);

export const strippedOf = (event: StoredEvent): JsonObject => ({
  type: event.type,
  sender: event.sender,
  state_key: event.stateKey ?? "",
  content: event.content,
});
