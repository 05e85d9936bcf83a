// Server-side key backup as storage, no cryptography (Client-Server API, "Server-side key backups").
import { type Route, type SignedCall, signed } from "../call.ts";
import { isObject, type JsonObject, numberAt, objectAt, stringAt } from "../json.ts";
import { badRequest, notFound, Refusal } from "../refusal.ts";
import type { Backup, User } from "../world.ts";

const newest = (user: User): Backup | undefined => user.backups.findLast((backup) => !backup.deleted);

const view = (backup: Backup): JsonObject => ({
  algorithm: backup.algorithm,
  auth_data: backup.authData,
  count: backup.sessions.size,
  etag: String(backup.etag),
  version: backup.version,
});

const backupOf = (call: SignedCall): Backup => {
  const version = call.params["version"];
  const found =
    version === undefined
      ? newest(call.user)
      : call.user.backups.find((backup) => backup.version === version && !backup.deleted);
  if (found === undefined) throw notFound("No backup found");
  return found;
};

const create = ({ user, body }: SignedCall): JsonObject => {
  const wanted = body();
  const [algorithm, authData] = [stringAt(wanted, "algorithm"), objectAt(wanted, "auth_data")];
  if (algorithm === null || authData === null)
    throw badRequest("M_MISSING_PARAM", "algorithm or auth_data is missing");
  const version = String(user.backups.length + 1);
  user.backups.push({ version, algorithm, authData, etag: 0, deleted: false, sessions: new Map() });
  return { version };
};

const update = (call: SignedCall): JsonObject => {
  const backup = backupOf(call);
  const body = call.body();
  if (stringAt(body, "algorithm") !== backup.algorithm)
    throw badRequest("M_INVALID_PARAM", "Algorithm does not match");
  backup.authData = objectAt(body, "auth_data") ?? {};
  return {};
};

const remove = (call: SignedCall): JsonObject => {
  backupOf(call).deleted = true;
  return {};
};

/** Writing is only to the newest version. */
const writable = (call: SignedCall): Backup => {
  const current = newest(call.user);
  if (current === undefined) throw notFound("No backup found");
  if (current.version !== call.query.get("version")) {
    readable(call);
    throw new Refusal(403, "M_WRONG_ROOM_KEYS_VERSION", "Wrong backup version.", {
      current_version: current.version,
    });
  }
  return current;
};

const readable = (call: SignedCall): Backup => {
  const version = call.query.get("version");
  const found = call.user.backups.find((backup) => backup.version === version && !backup.deleted);
  if (found === undefined) throw notFound("Unknown backup version");
  return found;
};

const isBetter = (known: JsonObject, given: JsonObject): boolean => {
  if (known["is_verified"] !== given["is_verified"]) return given["is_verified"] === true;
  const index = (numberAt(given, "first_message_index") ?? 0) - (numberAt(known, "first_message_index") ?? 0);
  if (index !== 0) return index < 0;
  return (numberAt(given, "forwarded_count") ?? 0) < (numberAt(known, "forwarded_count") ?? 0);
};

const keep = (backup: Backup, roomId: string, sessions: JsonObject): boolean => {
  let isChanged = false;
  for (const [sessionId, given] of Object.entries(sessions)) {
    const key = `${roomId}\0${sessionId}`;
    const known = backup.sessions.get(key);
    if (!isObject(given) || (known !== undefined && !isBetter(known, given))) continue;
    backup.sessions.set(key, given);
    isChanged = true;
  }
  return isChanged;
};

const put = (call: SignedCall): JsonObject => {
  const backup = writable(call);
  const body = call.body();
  const { roomId, sessionId } = call.params;
  const rooms: JsonObject =
    roomId === undefined
      ? (objectAt(body, "rooms") ?? {})
      : {
          [roomId]: { sessions: sessionId === undefined ? (body["sessions"] ?? {}) : { [sessionId]: body } },
        };
  let isChanged = false;
  for (const [id, room] of Object.entries(rooms)) {
    const sessions = isObject(room) ? (objectAt(room, "sessions") ?? {}) : {};
    isChanged = keep(backup, id, sessions) || isChanged;
  }
  if (isChanged) backup.etag += 1;
  return { etag: String(backup.etag), count: backup.sessions.size };
};

const roomsOf = (backup: Backup): JsonObject => {
  const rooms: JsonObject = {};
  for (const [key, session] of backup.sessions) {
    const [roomId = "", sessionId = ""] = key.split("\0");
    const room = objectAt(rooms, roomId) ?? { sessions: {} };
    room["sessions"] = { ...(objectAt(room, "sessions") ?? {}), [sessionId]: session };
    rooms[roomId] = room;
  }
  return rooms;
};

const get = (call: SignedCall): JsonObject => {
  const backup = readable(call);
  const rooms = roomsOf(backup);
  const { roomId, sessionId } = call.params;
  if (roomId === undefined) return { rooms };
  if (sessionId === undefined) return objectAt(rooms, roomId) ?? { sessions: {} };
  const session = backup.sessions.get(`${roomId}\0${sessionId}`);
  if (session === undefined) throw notFound("No such session");
  return session;
};

const drop = (call: SignedCall): JsonObject => {
  const backup = writable(call);
  const { roomId, sessionId } = call.params;
  const prefix = `${roomId ?? ""}${roomId === undefined ? "" : "\0"}${sessionId ?? ""}`;
  for (const key of [...backup.sessions.keys()]) if (key.startsWith(prefix)) backup.sessions.delete(key);
  backup.etag += 1;
  return { etag: String(backup.etag), count: backup.sessions.size };
};

const VERSION = "/_matrix/client/v3/room_keys/version";
const KEYS = "/_matrix/client/v3/room_keys/keys";
const LEVELS = [KEYS, `${KEYS}/:roomId`, `${KEYS}/:roomId/:sessionId`];

export const backupRoutes: readonly Route[] = [
  signed("POST", VERSION, create),
  signed("GET", VERSION, (call) => view(backupOf(call))),
  signed("GET", `${VERSION}/:version`, (call) => view(backupOf(call))),
  signed("PUT", `${VERSION}/:version`, update),
  signed("DELETE", `${VERSION}/:version`, remove),
  ...LEVELS.flatMap((path) => [
    signed("PUT", path, put),
    signed("GET", path, get),
    signed("DELETE", path, drop),
  ]),
];
