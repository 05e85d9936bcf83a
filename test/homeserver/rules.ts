// Who may do what in a room: the authorisation rules of room versions 10 to 12 (specification, "Room versions", "Authorization rules"),
// as far as one server without federation meets them.
import { isObject, type JsonObject, numberAt, objectAt, stringAt } from "./json.ts";
import { badRequest, forbidden } from "./refusal.ts";
import { type Room, stateOf } from "./world.ts";

export interface Draft {
  readonly type: string;
  readonly sender: string;
  readonly stateKey: string | null;
  readonly content: JsonObject;
  readonly redacts?: string;
}

export const membershipOf = (room: Room, userId: string): string => {
  const event = stateOf(room, "m.room.member", userId);
  return event === null ? "leave" : (stringAt(event.content, "membership") ?? "leave");
};

/** Version 12 takes creators out of the numbers: nothing is above them (MSC4289). */
export const creatorsRule = (version: string): boolean => Number(version) >= 12;

const levelIn = (levels: JsonObject | null, key: string, otherwise: number): number =>
  levels === null ? otherwise : (numberAt(levels, key) ?? otherwise);

export const powerOf = (room: Room, userId: string): number => {
  if (creatorsRule(room.version) && room.creators.has(userId)) return Number.POSITIVE_INFINITY;
  const event = stateOf(room, "m.room.power_levels");
  if (event === null) return room.creators.has(userId) ? 100 : 0;
  const users = objectAt(event.content, "users");
  return levelIn(users, userId, levelIn(event.content, "users_default", 0));
};

export const requiredPower = (room: Room, type: string, isState: boolean): number => {
  const event = stateOf(room, "m.room.power_levels");
  if (event === null) return 0;
  const otherwise = isState
    ? levelIn(event.content, "state_default", 50)
    : levelIn(event.content, "events_default", 0);
  return levelIn(objectAt(event.content, "events"), type, otherwise);
};

export const actionPower = (room: Room, action: "invite" | "kick" | "ban" | "redact"): number => {
  const event = stateOf(room, "m.room.power_levels");
  return levelIn(event?.content ?? null, action, action === "invite" ? 0 : 50);
};

const requireAction = (room: Room, sender: string, action: "invite" | "kick" | "ban"): void => {
  if (powerOf(room, sender) < actionPower(room, action)) {
    throw forbidden(`You don't have permission to ${action}`);
  }
};

const checkJoin = (room: Room, draft: Draft, target: string): void => {
  const current = membershipOf(room, target);
  if (draft.sender !== target) throw forbidden("Cannot force another user to join.");
  if (current === "ban") throw forbidden("You are banned from this room");
  if (current === "join" || current === "invite") return;
  const rule = stateOf(room, "m.room.join_rules")?.content["join_rule"] ?? "invite";
  const isFounding = room.events.length === 1 && room.creators.has(target);
  if (rule !== "public" && !isFounding) throw forbidden("You are not invited to this room.");
};

const checkLeave = (room: Room, draft: Draft, target: string): void => {
  const current = membershipOf(room, target);
  if (draft.sender === target) {
    if (current === "leave" || current === "ban") throw forbidden(`${target} is not in the room.`);
    return;
  }
  requireJoined(room, draft.sender);
  requireAction(room, draft.sender, current === "ban" ? "ban" : "kick");
  if (powerOf(room, target) >= powerOf(room, draft.sender)) throw forbidden("You cannot kick that user");
};

const checkMembership = (room: Room, draft: Draft): void => {
  const target = draft.stateKey ?? "";
  switch (draft.content["membership"]) {
    case "join":
      checkJoin(room, draft, target);
      return;
    case "leave":
      checkLeave(room, draft, target);
      return;
    case "invite":
      requireJoined(room, draft.sender);
      if (["join", "ban"].includes(membershipOf(room, target))) {
        throw forbidden(`${target} is already in the room or banned from it.`);
      }
      requireAction(room, draft.sender, "invite");
      return;
    case "ban":
      requireJoined(room, draft.sender);
      requireAction(room, draft.sender, "ban");
      if (powerOf(room, target) >= powerOf(room, draft.sender)) throw forbidden("You cannot ban that user");
      return;
    default:
      throw badRequest("M_BAD_JSON", "Unknown membership");
  }
};

const requireJoined = (room: Room, userId: string): void => {
  if (membershipOf(room, userId) !== "join") throw forbidden(`User ${userId} not in room ${room.roomId}`);
};

const levelsOf = (content: JsonObject): Map<string, number> => {
  const found = new Map<string, number>();
  for (const [key, value] of Object.entries(content)) {
    if (typeof value === "number") found.set(key, value);
    if (!isObject(value)) continue;
    for (const [inner, level] of Object.entries(value)) {
      if (typeof level !== "number") throw badRequest("M_BAD_JSON", `${key}.${inner} is not an integer`);
      found.set(`${key}\0${inner}`, level);
    }
  }
  return found;
};

const checkPowerLevels = (room: Room, draft: Draft): void => {
  if (creatorsRule(room.version)) {
    const named = Object.keys(objectAt(draft.content, "users") ?? {}).find((user) => room.creators.has(user));
    if (named !== undefined) throw forbidden(`Creator user ${named} must not appear in content.users`);
  }
  const current = stateOf(room, "m.room.power_levels");
  const before = current === null ? new Map<string, number>() : levelsOf(current.content);
  const after = levelsOf(draft.content);
  if (current === null) return;
  const mine = powerOf(room, draft.sender);
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [old, fresh] = [before.get(key), after.get(key)];
    if (old === fresh) continue;
    const isPeer = key.startsWith("users\0") && key !== `users\0${draft.sender}` && old === mine;
    if ((old ?? 0) > mine || (fresh ?? 0) > mine || isPeer) {
      throw forbidden("You don't have permission to add ops level greater than your own");
    }
  }
};

const checkRedaction = (room: Room, draft: Draft): void => {
  const target = room.byId.get(draft.redacts ?? "");
  if (target?.sender === draft.sender) return;
  if (powerOf(room, draft.sender) < actionPower(room, "redact")) {
    throw forbidden("You don't have permission to redact events");
  }
};

/** Throws the refusal that a server answers; returns when the event may be appended. */
export const authorise = (room: Room, draft: Draft): void => {
  if (draft.type === "m.room.create") throw forbidden("A room is created once");
  if (draft.type === "m.room.member") {
    checkMembership(room, draft);
    return;
  }
  requireJoined(room, draft.sender);
  const needed = requiredPower(room, draft.type, draft.stateKey !== null);
  const has = powerOf(room, draft.sender);
  if (has < needed) {
    throw forbidden(
      `You don't have permission to post that to the room. user_level (${has}) < send_level (${needed})`,
    );
  }
  if (draft.stateKey?.startsWith("@") === true && draft.stateKey !== draft.sender) {
    throw forbidden("You are not allowed to set others state");
  }
  if (draft.type === "m.room.power_levels" && draft.stateKey === "") checkPowerLevels(room, draft);
  if (draft.type === "m.room.redaction") checkRedaction(room, draft);
};
