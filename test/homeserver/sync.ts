// The /sync answer of one device and how a long poll waits for it (Client-Server API, "Syncing").
import { isObject, type Json, type JsonObject } from "./json.ts";
import { deviceListsOf, keyCountsOf } from "./keys.ts";
import { roomsOf, strippedOf } from "./rooms.ts";
import { joinedPart, leftPart, type SyncRequest } from "./sync-room.ts";
import { encodeToken, type StreamToken } from "./tokens.ts";
import type { Device, Room, World } from "./world.ts";

const invitePart = (room: Room, userId: string): JsonObject => {
  const wanted = [
    "m.room.create",
    "m.room.name",
    "m.room.join_rules",
    "m.room.canonical_alias",
    "m.room.encryption",
  ];
  const state = [...room.state.values()].filter((event) => wanted.includes(event.type));
  const invite = room.memberships.get(userId)?.at(-1);
  const inviter = room.memberships.get(invite?.sender ?? "")?.at(-1);
  const members = [inviter, invite].filter((event) => event !== undefined);
  return { invite_state: { events: [...state, ...members].map(strippedOf) } };
};

const partsOf = (rooms: readonly Room[], part: (room: Room) => JsonObject | null): JsonObject =>
  Object.fromEntries(
    rooms
      .map((room) => [room.roomId, part(room)] as const)
      .filter((entry): entry is [string, JsonObject] => entry[1] !== null),
  );

const roomsPart = (request: SyncRequest): JsonObject => {
  const { world, user, filter, since } = request;
  const named = (membership: string): Room[] =>
    roomsOf(world, user.userId, membership).filter((room) => filter.acceptsRoom(room.roomId));
  const isNewInvite = (room: Room): boolean =>
    (room.memberships.get(user.userId)?.at(-1)?.position ?? 0) > since;
  return {
    join: partsOf(named("join"), (room) => joinedPart(request, room)),
    invite: partsOf(named("invite").filter(isNewInvite), (room) => invitePart(room, user.userId)),
    leave: partsOf([...named("leave"), ...named("ban")], (room) => leftPart(request, room)),
    knock: {},
  };
};

const toDevicePart = (
  world: World,
  device: Device,
  after: number,
): { events: JsonObject[]; until: number } => {
  const waiting = device.inbox.filter((entry) => entry.position > after);
  const batch = waiting.slice(0, world.profile.toDeviceBatch);
  const isWhole = batch.length === waiting.length;
  return {
    events: batch.map((entry) => entry.message),
    until: isWhole ? world.position : (batch.at(-1)?.position ?? world.position),
  };
};

export interface SyncAnswer {
  readonly body: JsonObject;
  readonly isEmpty: boolean;
}

const holds = (part: JsonObject): boolean =>
  Object.values(part).some((rooms) => Object.keys(rooms ?? {}).length > 0);

/** All that is new after `token`, as it is now. */
export const answerSync = (request: SyncRequest, token: StreamToken | null): SyncAnswer => {
  const { world, user, device } = request;
  const rooms = roomsPart(request);
  const toDevice = toDevicePart(world, device, token?.toDevice ?? 0);
  const accountData = [...user.accountData.values()]
    .filter((datum) => datum.roomId === null && datum.position > request.since)
    .filter(({ type, content }) => request.filter.accountData.accepts({ type, sender: "", content }))
    .map(({ type, content }) => ({ type, content }));
  const lists = deviceListsOf(world, user.userId, request.since, world.position);
  const hasLists = request.since > 0 && lists.changed.length + lists.left.length > 0;
  const isEmpty = !holds(rooms) && toDevice.events.length === 0 && accountData.length === 0 && !hasLists;
  const sections = {
    rooms,
    account_data: { events: accountData },
    presence: { events: [] },
    to_device: { events: toDevice.events },
    device_lists: hasLists ? { changed: lists.changed, left: lists.left } : { changed: [], left: [] },
  };
  const next_batch = encodeToken({ position: world.position, toDevice: toDevice.until });
  const shown = world.profile.omitsEmpty ? withoutEmpty(sections) : sections;
  const counts = keyCountsOf(world, device, request.since === 0);
  return { isEmpty, body: { next_batch, ...shown, ...counts } };
};

const holdsNothing = (value: Json): boolean =>
  value !== null && typeof value === "object" && Object.values(value).every(holdsNothing);

const isBundle = (key: string): boolean => key === "rooms" || key === "device_lists";

const withoutEmpty = (sections: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(sections)
      .filter(([, value]) => !holdsNothing(value))
      .map(([key, value]) => [key, isBundle(key) && isObject(value) ? withoutEmpty(value) : value]),
  );

/** To-device messages are gone once the next token is used. */
export const acknowledge = (device: Device, token: StreamToken): void => {
  device.inbox = device.inbox.filter((entry) => entry.position > token.toDevice);
};
