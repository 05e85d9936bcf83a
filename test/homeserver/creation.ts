// createRoom (Client-Server API, "Creation"): the order of its events, presets, and what room version 12 changed (MSC4289, MSC4291).
import { isObject, type JsonObject, listAt, objectAt, stringAt, stringsAt } from "./json.ts";
import { badRequest, Refusal } from "./refusal.ts";
import { append, type Circumstances, submit } from "./rooms.ts";
import { creatorsRule } from "./rules.ts";
import { announce, freshId, type Room, type Session, type World } from "./world.ts";

export const ROOM_VERSIONS: readonly string[] = ["10", "11", "12"];

interface Preset {
  readonly joinRule: string;
  readonly guestAccess: string;
}

const presetOf = (body: JsonObject): Preset => {
  const isPublic = (stringAt(body, "preset") ?? `${stringAt(body, "visibility")}_chat`) === "public_chat";
  return isPublic
    ? { joinRule: "public", guestAccess: "forbidden" }
    : { joinRule: "invite", guestAccess: "can_join" };
};

const versionOf = (world: World, body: JsonObject): string => {
  const version = stringAt(body, "room_version") ?? world.profile.defaultRoomVersion;
  if (!ROOM_VERSIONS.includes(version)) {
    throw badRequest("M_UNSUPPORTED_ROOM_VERSION", "Your homeserver does not support this room version");
  }
  return version;
};

const isTrusted = (body: JsonObject): boolean => stringAt(body, "preset") === "trusted_private_chat";

const creatorsOf = (session: Session, version: string, body: JsonObject): string[] => {
  if (!creatorsRule(version)) return [session.userId];
  const named = stringsAt(objectAt(body, "creation_content") ?? {}, "additional_creators") ?? [];
  const trusted = isTrusted(body) ? (stringsAt(body, "invite") ?? []) : [];
  return [...new Set([session.userId, ...named, ...trusted])];
};

const newRoom = (world: World, version: string, creators: string[]): Room => {
  const id = freshId(world, "room");
  return {
    roomId: creatorsRule(version) ? `!${id}` : `!${id.slice(0, 18)}:${world.serverName}`,
    version,
    creators: new Set(creators),
    events: [],
    byId: new Map(),
    related: new Map(),
    state: new Map(),
    stateEvents: [],
    memberships: new Map(),
    receipts: new Map(),
    typing: new Map(),
    typingPosition: 0,
  };
};

const defaultPowerLevels = (version: string, creators: string[], body: JsonObject): JsonObject => {
  const isV12 = creatorsRule(version);
  const invited = isTrusted(body) ? (stringsAt(body, "invite") ?? []) : [];
  return {
    users: isV12 ? {} : Object.fromEntries([...creators, ...invited].map((userId) => [userId, 100])),
    users_default: 0,
    events: {
      "m.room.name": 50,
      "m.room.power_levels": 100,
      "m.room.history_visibility": 100,
      "m.room.canonical_alias": 50,
      "m.room.avatar": 50,
      "m.room.tombstone": isV12 ? 150 : 100,
      "m.room.server_acl": 100,
      "m.room.encryption": 100,
    },
    events_default: 0,
    state_default: 50,
    ban: 50,
    kick: 50,
    redact: 50,
    invite: stringAt(body, "preset") === "public_chat" ? 50 : 0,
    historical: 100,
  };
};

const powerLevelsOf = (world: World, version: string, creators: string[], body: JsonObject): JsonObject => {
  const given = objectAt(body, "power_level_content_override") ?? {};
  const named = Object.keys(objectAt(given, "users") ?? {});
  if (creatorsRule(version) && creators.some((creator) => named.includes(creator))) {
    const { status, errcode } = world.profile.creatorInPowerLevels;
    throw new Refusal(
      status,
      errcode,
      "Creators must not be listed in the power levels of a version 12 room",
    );
  }
  const full = defaultPowerLevels(version, creators, body);
  if (world.profile.powerLevels === "full") return { ...full, ...given };
  return { users: full["users"] ?? {}, ...given };
};

const aliasOf = (world: World, body: JsonObject): string | null => {
  const localpart = stringAt(body, "room_alias_name");
  if (localpart === null) return null;
  const alias = `#${localpart}:${world.serverName}`;
  if (world.aliases.has(alias)) throw badRequest("M_ROOM_IN_USE", "Room alias already taken");
  return alias;
};

interface InitialState {
  readonly type: string;
  readonly stateKey: string;
  readonly content: JsonObject;
}

const initialStateOf = (body: JsonObject): InitialState[] =>
  (listAt(body, "initial_state") ?? []).filter(isObject).map((entry) => ({
    type: stringAt(entry, "type") ?? "",
    stateKey: stringAt(entry, "state_key") ?? "",
    content: objectAt(entry, "content") ?? {},
  }));

const namesOf = (body: JsonObject): InitialState[] => {
  const [name, topic] = [stringAt(body, "name"), stringAt(body, "topic")];
  return [
    ...(name === null ? [] : [{ type: "m.room.name", stateKey: "", content: { name } }]),
    ...(topic === null ? [] : [{ type: "m.room.topic", stateKey: "", content: { topic } }]),
  ];
};

/** What a preset sets, unless `initial_state` sets it too (it wins). */
const settingsOf = (body: JsonObject, alias: string | null): InitialState[] => {
  const preset = presetOf(body);
  const explicit = initialStateOf(body);
  const settings: InitialState[] = [
    ...(alias === null ? [] : [{ type: "m.room.canonical_alias", stateKey: "", content: { alias } }]),
    { type: "m.room.join_rules", stateKey: "", content: { join_rule: preset.joinRule } },
    { type: "m.room.history_visibility", stateKey: "", content: { history_visibility: "shared" } },
    { type: "m.room.guest_access", stateKey: "", content: { guest_access: preset.guestAccess } },
  ];
  const left = settings.filter(({ type }) => !explicit.some((entry) => entry.type === type));
  return [...left, ...explicit, ...namesOf(body)];
};

export const createRoom = (world: World, session: Session, body: JsonObject): Room => {
  const version = versionOf(world, body);
  const creators = creatorsOf(session, version, body);
  const powerLevels = powerLevelsOf(world, version, creators, body);
  const alias = aliasOf(world, body);
  const room = newRoom(world, version, creators);
  const sender = session.userId;
  const put = (type: string, stateKey: string, content: JsonObject, how: Circumstances = {}): void => {
    append(world, room, { type, sender, stateKey, content }, how);
  };
  const creation: JsonObject = { ...(objectAt(body, "creation_content") ?? {}), room_version: version };
  if (version === "10") creation["creator"] = sender;
  if (creators.length > 1) creation["additional_creators"] = creators.slice(1);
  // MSC4291: a version 12 room is named by its create event.
  put("m.room.create", "", creation, creatorsRule(version) ? { eventId: `$${room.roomId.slice(1)}` } : {});
  put("m.room.member", sender, { membership: "join", displayname: sender.slice(1, sender.indexOf(":")) });
  put("m.room.power_levels", "", powerLevels);
  for (const { type, stateKey, content } of settingsOf(body, alias)) put(type, stateKey, content);
  world.rooms.set(room.roomId, room);
  if (alias !== null) world.aliases.set(alias, { roomId: room.roomId, creator: sender });
  inviteAll(world, room, sender, body);
  announce(world);
  return room;
};

const inviteAll = (world: World, room: Room, sender: string, body: JsonObject): void => {
  for (const userId of stringsAt(body, "invite") ?? []) {
    const content: JsonObject = {
      membership: "invite",
      ...(body["is_direct"] === true ? { is_direct: true } : {}),
    };
    submit(world, room, { type: "m.room.member", sender, stateKey: userId, content });
  }
};
