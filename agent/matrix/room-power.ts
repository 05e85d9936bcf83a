// Fetching what power levels depend on: their event, and the room's create event with its sender (room version 12 puts creators above all).
// Never the room ID: from version 12 on it names no server.
import { nullIfNotFound } from "./answer.ts";
import { pathOf } from "./call.ts";
import type { Method } from "./http.ts";
import { CREATORS_CACHED_MAX } from "./limits.ts";
import { type Creation, creatorsArePrivileged, parseCreation, parsePowerLevels } from "./power-levels.ts";
import { type JsonObject, MatrixError, type PowerLevels, type RequestOptions } from "./types.ts";

type Request = (method: Method, path: string, options?: RequestOptions) => Promise<JsonObject>;

const room = (roomId: string, ...rest: readonly string[]): string =>
  pathOf("/_matrix/client/v3/rooms", roomId, ...rest);

// From version 12 on a room's ID is the ID of its create event but for the first letter (room version 12, "Room IDs as hashes of the create event").
const ownEvent = async (request: Request, roomId: string): Promise<Creation | null> => {
  try {
    const event = await request("GET", room(roomId, "event", `$${roomId.slice(1)}`));
    return event["type"] === "m.room.create" ? parseCreation(event) : null;
  } catch (error) {
    if (error instanceof MatrixError && error.kind === "refused") return null;
    throw error;
  }
};

// Servers that do not know `format` give the content without the sender.
const fetchCreation = async (request: Request, roomId: string): Promise<Creation> => {
  const found = await nullIfNotFound(
    request("GET", room(roomId, "state", "m.room.create", ""), { query: { format: "event" } }),
  );
  const whole = found === null ? null : parseCreation(found);
  if (whole !== null) return whole;
  const bare: Creation = { sender: null, content: found ?? {} };
  if (found !== null && !creatorsArePrivileged(bare)) return bare;
  return (await ownEvent(request, roomId)) ?? bare;
};

/** `powerLevels` of the client. A create event never changes, so it is asked for once per room. */
export const createRoomPower = (request: Request): ((roomId: string) => Promise<PowerLevels>) => {
  const creations = new Map<string, Creation>();

  const creationOf = async (roomId: string): Promise<Creation> => {
    const known = creations.get(roomId);
    if (known !== undefined) return known;
    const creation = await fetchCreation(request, roomId);
    if (creations.size >= CREATORS_CACHED_MAX) creations.clear();
    creations.set(roomId, creation);
    return creation;
  };

  return async (roomId) => {
    const creation = await creationOf(roomId);
    const levels = await nullIfNotFound(request("GET", room(roomId, "state", "m.room.power_levels", "")));
    return parsePowerLevels(creation, levels);
  };
};
