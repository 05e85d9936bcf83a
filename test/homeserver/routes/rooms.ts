// Rooms: creation, membership, aliases, members (Client-Server API, "Rooms").
import { param, type Route, type SignedCall, signed } from "../call.ts";
import { createRoom } from "../creation.ts";
import { type JsonObject, stringAt } from "../json.ts";
import { badRequest, forbidden, notFound, Refusal } from "../refusal.ts";
import { joinedMembers, joinedRoom, knownRoom, roomsOf, stateBefore, submit } from "../rooms.ts";
import { membershipOf } from "../rules.ts";
import { parseToken } from "../tokens.ts";
import { viewOf } from "../views.ts";
import { announce, nextPosition, type Room, type StoredEvent, stateOf } from "../world.ts";

const create = ({ world, limiter, session, user, body }: SignedCall): JsonObject => {
  limiter.spend("room-creation", user.userId, user);
  limiter.spend("message", user.userId, user);
  return { room_id: createRoom(world, session, body()).roomId };
};

const roomNamed = (call: SignedCall, idOrAlias: string): Room => {
  const roomId = idOrAlias.startsWith("#") ? call.world.aliases.get(idOrAlias)?.roomId : idOrAlias;
  const room = call.world.rooms.get(roomId ?? "");
  if (room !== undefined) return room;
  const { status, alias, room: unknown } = call.world.profile.joinUnknown;
  throw new Refusal(status, idOrAlias.startsWith("#") ? alias : unknown, `${idOrAlias} is not known here`);
};

const change = (
  call: SignedCall,
  room: Room,
  target: string,
  membership: string,
  more: JsonObject = {},
): void => {
  const reason = stringAt(call.body(), "reason");
  const content: JsonObject = { membership, ...(reason === null ? {} : { reason }), ...more };
  const draft = { type: "m.room.member", sender: call.user.userId, stateKey: target, content };
  submit(call.world, room, draft, { session: call.session });
};

const join = (call: SignedCall): JsonObject => {
  const room = roomNamed(call, param(call, "roomIdOrAlias"));
  const { userId } = call.user;
  call.limiter.spend("join", userId, call.user);
  if (membershipOf(room, userId) !== "join") {
    change(call, room, userId, "join", { displayname: call.user.profile.get("displayname") ?? null });
  }
  return { room_id: room.roomId };
};

/** Out already: by another's hand a refusal, by one's own whatever the profile's server says. */
const refuseLeaving = (call: SignedCall, room: Room): void => {
  const { userId } = call.user;
  const isOwn = stateOf(room, "m.room.member", userId)?.sender === userId;
  const refusal = isOwn ? call.world.profile.leaveAgain : { status: 403, errcode: "M_FORBIDDEN" };
  if (refusal !== null)
    throw new Refusal(refusal.status, refusal.errcode, `${userId} not in room ${room.roomId}`);
};

const leave = (call: SignedCall): JsonObject => {
  const room = call.world.rooms.get(param(call, "roomId"));
  if (room === undefined) throw notFound("Not a known room");
  if (["leave", "ban"].includes(membershipOf(room, call.user.userId))) {
    refuseLeaving(call, room);
    return {};
  }
  change(call, room, call.user.userId, "leave");
  return {};
};

const changeOther =
  (membership: string) =>
  (call: SignedCall): JsonObject => {
    const room = joinedRoom(call.world, param(call, "roomId"), call.user.userId);
    const target = stringAt(call.body(), "user_id");
    if (target === null) throw badRequest("M_MISSING_PARAM", "Missing user_id");
    call.limiter.spend("message", call.user.userId, call.user);
    change(call, room, target, membership);
    return {};
  };

const joined = ({ world, user }: SignedCall): JsonObject => ({
  joined_rooms: roomsOf(world, user.userId, "join").map((room) => room.roomId),
});

const joinedMembersOf = (call: SignedCall): JsonObject => {
  const room = joinedRoom(call.world, param(call, "roomId"), call.user.userId);
  const entries = joinedMembers(room).map((userId) => {
    const content = stateOf(room, "m.room.member", userId)?.content ?? {};
    return [
      userId,
      { display_name: content["displayname"] ?? null, avatar_url: content["avatar_url"] ?? null },
    ] as const;
  });
  return { joined: Object.fromEntries(entries) };
};

const members = (call: SignedCall): JsonObject => {
  const room = knownRoom(call.world, param(call, "roomId"), call.user.userId);
  const at = parseToken(call.query.get("at") ?? "");
  const state = at === null ? room.state : stateBefore(room, at.position + 1);
  const wanted = (event: StoredEvent): boolean => {
    const membership = stringAt(event.content, "membership") ?? "leave";
    const [only, not] = [call.query.get("membership"), call.query.get("not_membership")];
    return (only === null || only === membership) && not !== membership;
  };
  const chunk = [...state.values()].filter((event) => event.type === "m.room.member" && wanted(event));
  return { chunk: chunk.map((event) => viewOf(call.world, room, event, call.session)) };
};

const resolve = (call: SignedCall): JsonObject => {
  const known = call.world.aliases.get(param(call, "alias"));
  if (known === undefined) throw notFound(`Room alias ${param(call, "alias")} not found`);
  return { room_id: known.roomId, servers: [call.world.serverName] };
};

const putAlias = (call: SignedCall): JsonObject => {
  const alias = param(call, "alias");
  if (!alias.endsWith(`:${call.world.serverName}`))
    throw badRequest("M_INVALID_PARAM", "Room alias must be local");
  if (call.world.aliases.has(alias)) throw new Refusal(409, "M_UNKNOWN", "Room alias already exists");
  const room = joinedRoom(call.world, stringAt(call.body(), "room_id") ?? "", call.user.userId);
  call.world.aliases.set(alias, { roomId: room.roomId, creator: call.user.userId });
  return {};
};

const deleteAlias = (call: SignedCall): JsonObject => {
  const known = call.world.aliases.get(param(call, "alias"));
  if (known === undefined) throw notFound("Unknown alias");
  if (known.creator !== call.user.userId) throw forbidden("You don't have permission to delete the alias.");
  call.world.aliases.delete(param(call, "alias"));
  return {};
};

const aliasesOf = (call: SignedCall): JsonObject => {
  const room = joinedRoom(call.world, param(call, "roomId"), call.user.userId);
  const named = [...call.world.aliases].filter(([, { roomId }]) => roomId === room.roomId);
  return { aliases: named.map(([alias]) => alias) };
};

const typing = (call: SignedCall): JsonObject => {
  const room = joinedRoom(call.world, param(call, "roomId"), call.user.userId);
  const body = call.body();
  const timeout = typeof body["timeout"] === "number" ? body["timeout"] : 30_000;
  if (body["typing"] === true) room.typing.set(call.user.userId, call.world.now() + timeout);
  else room.typing.delete(call.user.userId);
  room.typingPosition = nextPosition(call.world);
  announce(call.world);
  return {};
};

const summary = (call: SignedCall): JsonObject => {
  if (!call.world.profile.extras) throw new Refusal(404, "M_UNRECOGNIZED", "Unrecognized request");
  const room = roomNamed(call, param(call, "roomIdOrAlias"));
  return {
    room_id: room.roomId,
    num_joined_members: joinedMembers(room).length,
    room_version: room.version,
    membership: membershipOf(room, call.user.userId),
  };
};

const CLIENT = "/_matrix/client/v3";

export const roomRoutes: readonly Route[] = [
  signed("POST", `${CLIENT}/createRoom`, create),
  signed("POST", `${CLIENT}/join/:roomIdOrAlias`, join),
  signed("POST", `${CLIENT}/rooms/:roomIdOrAlias/join`, join),
  signed("POST", `${CLIENT}/rooms/:roomId/leave`, leave),
  signed("POST", `${CLIENT}/rooms/:roomId/forget`, () => ({})),
  signed("POST", `${CLIENT}/rooms/:roomId/invite`, changeOther("invite")),
  signed("POST", `${CLIENT}/rooms/:roomId/kick`, changeOther("leave")),
  signed("POST", `${CLIENT}/rooms/:roomId/ban`, changeOther("ban")),
  signed("POST", `${CLIENT}/rooms/:roomId/unban`, changeOther("leave")),
  signed("GET", `${CLIENT}/joined_rooms`, joined),
  signed("GET", `${CLIENT}/rooms/:roomId/joined_members`, joinedMembersOf),
  signed("GET", `${CLIENT}/rooms/:roomId/members`, members),
  signed("GET", `${CLIENT}/rooms/:roomId/aliases`, aliasesOf),
  signed("PUT", `${CLIENT}/rooms/:roomId/typing/:userId`, typing),
  signed("GET", `${CLIENT}/directory/room/:alias`, resolve),
  signed("PUT", `${CLIENT}/directory/room/:alias`, putAlias),
  signed("DELETE", `${CLIENT}/directory/room/:alias`, deleteAlias),
  signed("GET", "/_matrix/client/v1/room_summary/:roomIdOrAlias", summary),
];
