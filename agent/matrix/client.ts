// The endpoints that the agent uses (Client-Server API, "Rooms", "Instant messaging", "Content repository"): each one call, no retry.
// A createRoom in doubt is never repeated blindly: it would make a second room.
import { missing, nullIfNotFound } from "./answer.ts";
import { callJson, callRaw, pathOf } from "./call.ts";
import { parseVersions } from "./discovery.ts";
import { parseRoomEvent, parseRoomEvents } from "./events.ts";
import type { Http, Method } from "./http.ts";
import { asList, asObject, asString, field, stringsOf } from "./json.ts";
import { createMedia } from "./media.ts";
import { createRoomBody } from "./new-room.ts";
import { createRoomPower } from "./room-power.ts";
import type { Session } from "./session.ts";
import type { JsonObject, MatrixClient, MessagesPage, RequestOptions, RoomEvent } from "./types.ts";
import { checkContent, checkEvent, checkIdentifier } from "./validate.ts";

const CLIENT = "/_matrix/client/v3";
const room = (roomId: string, ...rest: readonly string[]): string =>
  pathOf(`${CLIENT}/rooms`, roomId, ...rest);

const textIn = (body: JsonObject, name: string, what: string): string => {
  const value = asString(field(body, name));
  if (value === null) throw missing(what, name);
  return value;
};

const parsePage = (body: JsonObject, roomId: string, from: string): MessagesPage => ({
  events: parseRoomEvents(asList(field(body, "chunk")), roomId),
  start: asString(field(body, "start")) ?? from,
  end: asString(field(body, "end")),
});

export interface ClientOptions {
  readonly http: Http;
  readonly session: Session;
}

type Request = (method: Method, path: string, options?: RequestOptions) => Promise<JsonObject>;

// Sending into rooms: refused here first when no server would take it.
const sending = (
  request: Request,
  sender: string,
): Pick<MatrixClient, "send" | "sendState" | "redact" | "receipt" | "sendToDevice"> => ({
  send: async (roomId, type, transactionId, content) => {
    checkEvent({ roomId, sender, type, content });
    checkIdentifier(transactionId, "transaction ID");
    const body = await request("PUT", room(roomId, "send", type, transactionId), { body: content });
    return textIn(body, "event_id", "send");
  },
  sendState: async (roomId, type, stateKey, content) => {
    checkEvent({ roomId, sender, type, stateKey, content });
    const body = await request("PUT", room(roomId, "state", type, stateKey), { body: content });
    return textIn(body, "event_id", "send state");
  },
  redact: async (roomId, eventId, transactionId, reason) => {
    const content = reason === undefined ? {} : { reason };
    checkEvent({ roomId, sender, type: "m.room.redaction", content });
    const body = await request("PUT", room(roomId, "redact", eventId, transactionId), { body: content });
    return textIn(body, "event_id", "redact");
  },
  // An object even where nothing is to be said: Synapse refuses an empty body.
  receipt: async (roomId, eventId) => {
    await request("POST", room(roomId, "receipt", "m.read", eventId), { body: {} });
  },
  sendToDevice: async (type, transactionId, messages) => {
    checkContent(messages, "messages");
    await request("PUT", pathOf(`${CLIENT}/sendToDevice`, type, transactionId), { body: { messages } });
  },
});

const membership = (
  request: Request,
  sender: string,
): Pick<
  MatrixClient,
  "createRoom" | "join" | "leave" | "invite" | "joinedRooms" | "joinedMembers" | "resolveAlias"
> => ({
  createRoom: async (options) => {
    const body = await request("POST", `${CLIENT}/createRoom`, { body: createRoomBody(options, sender) });
    return textIn(body, "room_id", "createRoom");
  },
  // `via` is a repeated parameter, `server_name` its name before v1.12: both, since servers know one or the other.
  join: async (roomIdOrAlias, via = []) => {
    const servers = via.flatMap((server) => [
      `via=${encodeURIComponent(server)}`,
      `server_name=${encodeURIComponent(server)}`,
    ]);
    const path = pathOf(`${CLIENT}/join`, roomIdOrAlias);
    const body = await request("POST", servers.length === 0 ? path : `${path}?${servers.join("&")}`, {
      body: {},
    });
    return textIn(body, "room_id", "join");
  },
  leave: async (roomId) => {
    await request("POST", room(roomId, "leave"), { body: {} });
  },
  invite: async (roomId, userId) => {
    await request("POST", room(roomId, "invite"), { body: { user_id: userId } });
  },
  joinedRooms: async () => stringsOf(field(await request("GET", `${CLIENT}/joined_rooms`), "joined_rooms")),
  joinedMembers: async (roomId) =>
    Object.keys(asObject(field(await request("GET", room(roomId, "joined_members")), "joined")) ?? {}),
  resolveAlias: async (alias) => {
    const body = await request("GET", pathOf(`${CLIENT}/directory/room`, alias));
    return { roomId: textIn(body, "room_id", `alias ${alias}`), servers: stringsOf(field(body, "servers")) };
  },
});

const reading = (request: Request): Pick<MatrixClient, "getState" | "getEvent" | "messages"> => ({
  getState: (roomId, type, stateKey) => nullIfNotFound(request("GET", room(roomId, "state", type, stateKey))),
  getEvent: async (roomId, eventId): Promise<RoomEvent | null> =>
    parseRoomEvent(
      (await nullIfNotFound(request("GET", room(roomId, "event", eventId)))) ?? undefined,
      roomId,
    ),
  messages: async (roomId, { from, to, direction, limit }) => {
    const query = {
      dir: direction,
      limit: String(limit),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    };
    return parsePage(await request("GET", room(roomId, "messages"), { query }), roomId, from ?? "");
  },
});

export const createClient = ({ http, session }: ClientOptions): MatrixClient => {
  const { baseUrl, userId } = session;

  const request: Request = (method, path, options = {}) =>
    session.authorised((token) => callJson(http, baseUrl, method, path, { ...options, token }));

  const media = createMedia({
    json: (path) => request("GET", path),
    upload: (path, content, contentType, query) =>
      session.authorised((token) =>
        callJson(http, baseUrl, "POST", path, { token, body: content, contentType, query }),
      ),
    bytes: async (path, bytesMax) =>
      (await session.authorised((token) => callRaw(http, baseUrl, "GET", path, { token, bytesMax }))).answer
        .body,
  });

  return {
    userId,
    deviceId: session.deviceId,
    baseUrl,
    request,
    ...sending(request, userId),
    ...membership(request, userId),
    ...reading(request),
    ...media,
    powerLevels: createRoomPower(request),
    whoami: async () => {
      const body = await request("GET", `${CLIENT}/account/whoami`);
      return { userId: textIn(body, "user_id", "whoami"), deviceId: asString(field(body, "device_id")) };
    },
    capabilities: async () =>
      asObject(field(await request("GET", `${CLIENT}/capabilities`), "capabilities")) ?? {},
    // With the token: servers switch unstable features on for single users.
    versions: async () => parseVersions(await request("GET", "/_matrix/client/versions")),
  };
};
