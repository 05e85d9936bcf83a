// Smaller things that the agent relies on: idempotence, tokens over a restart, the Date header, devices, filters.
import { at, call, isObject, type Json, list, text } from "#test/peers/http.ts";
import {
  all,
  createRoom,
  inRoom,
  logIn,
  nextBatch,
  outcome,
  type Row,
  row,
  sendMany,
  sync,
  syncUntil,
  timeline,
  V3,
} from "./contract.ts";

const joinPath = (room: string): string => `${V3}/join/${encodeURIComponent(room)}`;

const idempotenceRows: readonly Row[] = [
  all("setting the same state again changes nothing: the same event ID", true, async ({ user }) => {
    const client = await user();
    const path = inRoom(await createRoom(client), "state/a.state/key");
    const put = async (): Promise<string> =>
      text(await client.ok("PUT", path, { body: { a: 1 } }), "event_id");
    const first = await put();
    return first === (await put());
  }),
  all("joining twice is joining once", [200, 200], async ({ user }) => {
    const [owner, guest] = [await user(), await user()];
    const roomId = await createRoom(owner, { preset: "public_chat" });
    const join = async (): Promise<number> =>
      (await guest.call("POST", joinPath(roomId), { body: {} })).status;
    return [await join(), await join()];
  }),
  all("inviting who is there already is refused", [403, "M_FORBIDDEN"], async ({ user }) => {
    const client = await user();
    const roomId = await createRoom(client);
    return outcome(client.call("POST", inRoom(roomId, "invite"), { body: { user_id: client.userId } }));
  }),
  all("an alias that is taken is refused", [400, "M_ROOM_IN_USE"], async ({ user }) => {
    const client = await user();
    const body = { room_alias_name: `taken-${client.userId.slice(1, client.userId.indexOf(":"))}` };
    await createRoom(client, body);
    return outcome(client.call("POST", `${V3}/createRoom`, { body }));
  }),
  all("an unknown room version is refused", [400, "M_UNSUPPORTED_ROOM_VERSION"], async ({ user }) => {
    const client = await user();
    return outcome(client.call("POST", `${V3}/createRoom`, { body: { room_version: "no.such" } }));
  }),
  row(
    "joining a room, an alias that is not there",
    {
      synapse: [
        [404, "M_UNKNOWN"],
        [404, "M_NOT_FOUND"],
      ],
      dendrite: [
        [500, ""],
        [500, ""],
      ],
      conduit: [
        [404, "M_UNKNOWN"],
        [404, "M_NOT_FOUND"],
      ],
    },
    async ({ server, user }) => {
      const client = await user();
      const join = (room: string) => outcome(client.call("POST", joinPath(room), { body: {} }));
      return [
        await join(`!nosuchroom:${server().serverName}`),
        await join(`#nosuchroom:${server().serverName}`),
      ];
    },
  ),
];

const syncRows: readonly Row[] = [
  all("keeps sync tokens valid over a restart", true, async ({ server, user }) => {
    const client = await user();
    const roomId = await createRoom(client);
    const since = nextBatch(await sync(client));
    const [id] = await sendMany(client, roomId, 1);
    await server().restart();
    const json = await syncUntil(client, since, (part) => timeline(part, roomId).length > 0);
    return text(timeline(json, roomId)[0] ?? null, "event_id") === id;
  }),
  all("carries a Date header within a few seconds of now", true, async ({ server }) => {
    const answer = await call(server().url, "GET", "/_matrix/client/versions");
    return Math.abs(Date.parse(answer.headers.date ?? "") - Date.now()) < 5000;
  }),
  all("wakes a long poll for a to-device message", true, async ({ user }) => {
    const [from, to] = [await user(), await user()];
    const since = nextBatch(await sync(to));
    const arrived = (json: Json): boolean => list(json, "to_device", "events").length > 0;
    const begun = performance.now();
    const poll = syncUntil(to, since, arrived, {});
    const messages = { [to.userId]: { [to.deviceId]: { n: 1 } } };
    await from.ok("PUT", `${V3}/sendToDevice/a.b/wake`, { body: { messages } });
    return arrived(await poll) && performance.now() - begun < 10_000;
  }),
  row(
    "a filter of rooms: is the other room left out?",
    { synapse: true, dendrite: false, conduit: true },
    async ({ user }) => {
      const client = await user();
      const [one, two] = [await createRoom(client), await createRoom(client)];
      const json = await sync(client, { filter: JSON.stringify({ room: { rooms: [one] } }) });
      if (!isObject(at(json, "rooms", "join", one))) throw new Error("the room asked for is missing");
      return !isObject(at(json, "rooms", "join", two));
    },
  ),
  all("obeys not_senders", 0, async ({ user }) => {
    const client = await user();
    const roomId = await createRoom(client);
    await sendMany(client, roomId, 1);
    const filter = JSON.stringify({ room: { timeline: { not_senders: [client.userId] } } });
    return timeline(await sync(client, { filter }), roomId).length;
  }),
];

const deviceRows: readonly Row[] = [
  all(
    "lists devices with their names, and renames them",
    ["Gateway", "Gateway 2"],
    async ({ server, user }) => {
      const more = { device_id: "NAMED", initial_device_display_name: "Gateway" };
      const { client } = await logIn(server(), await user(), more);
      const name = async (): Promise<Json> => {
        const devices = list(await client.ok("GET", `${V3}/devices`), "devices");
        return at(devices.find((device) => text(device, "device_id") === "NAMED") ?? null, "display_name");
      };
      const before = await name();
      await client.ok("PUT", `${V3}/devices/NAMED`, { body: { display_name: "Gateway 2" } });
      return [before, await name()];
    },
  ),
  all("deletes a device after its password was given", [401, 200, 1], async ({ server, user }) => {
    const owner = await user();
    await logIn(server(), owner, { device_id: "GONE" });
    const path = `${V3}/devices/GONE`;
    const refused = await owner.call("DELETE", path, { body: {} });
    const auth = {
      type: "m.login.password",
      identifier: { type: "m.id.user", user: owner.userId },
      user: owner.userId,
      password: owner.password,
      session: text(refused.json, "session"),
    };
    const done = await owner.call("DELETE", path, { body: { auth } });
    return [refused.status, done.status, list(await owner.ok("GET", `${V3}/devices`), "devices").length];
  }),
  all("reads a whole backup and deletes it", [1, 404], async ({ user }) => {
    const me = await user();
    const body = {
      algorithm: "m.megolm_backup.v1.curve25519-aes-sha2",
      auth_data: { public_key: "P", signatures: {} },
    };
    const version = text(await me.ok("POST", `${V3}/room_keys/version`, { body }), "version");
    const session = {
      first_message_index: 0,
      forwarded_count: 0,
      is_verified: false,
      session_data: { a: 1 },
    };
    const rooms = { "!r:localhost": { sessions: { S: session } } };
    await me.ok("PUT", `${V3}/room_keys/keys`, { body: { rooms }, query: { version } });
    const whole = at(await me.ok("GET", `${V3}/room_keys/keys`, { query: { version } }), "rooms");
    await me.ok("DELETE", `${V3}/room_keys/version/${version}`, { body: {} });
    const gone = await me.call("GET", `${V3}/room_keys/version`);
    return [isObject(whole) ? Object.keys(whole).length : 0, gone.status];
  }),
];

export const moreRows: readonly Row[] = [...idempotenceRows, ...syncRows, ...deviceRows];
