// Rooms: versions, power, membership, aliases, state. Client-Server API, "Rooms"; specification, "Room versions".
import { at, isObject, list, text } from "#test/peers/http.ts";
import {
  all,
  type Client,
  createRoom,
  inRoom,
  nextBatch,
  note,
  outcome,
  type Row,
  row,
  send,
  sync,
  syncUntil,
  V3,
} from "./contract.ts";

const versionOf = async (client: Client, roomId: string): Promise<unknown> =>
  at(await client.ok("GET", inRoom(roomId, "state/m.room.create/")), "room_version");

const join = (client: Client, roomId: string): Promise<unknown> =>
  client.ok("POST", `${V3}/join/${encodeURIComponent(roomId)}`, { body: {} });

const pairInRoom = async (user: () => Promise<Client>, body = {}): Promise<[Client, Client, string]> => {
  const [owner, guest] = [await user(), await user()];
  const roomId = await createRoom(owner, { preset: "public_chat", ...body });
  await join(guest, roomId);
  return [owner, guest, roomId];
};

export const roomRows: readonly Row[] = [
  row("table, default room version", { synapse: "12", dendrite: "10", conduit: "12" }, async ({ user }) => {
    const client = await user();
    return versionOf(client, await createRoom(client));
  }),
  all(
    "gives version 12 rooms an ID without a server, version 11 one with",
    [false, true],
    async ({ user }) => {
      const client = await user();
      const ids = [
        await createRoom(client, { room_version: "12" }),
        await createRoom(client, { room_version: "11" }),
      ];
      return ids.map((id) => id.includes(":"));
    },
  ),
  all(
    "names a version 12 room by its create event, which tells the creator",
    [true, true],
    async ({ user }) => {
      const client = await user();
      const roomId = await createRoom(client, { room_version: "12" });
      const create = await client.ok("GET", inRoom(roomId, `event/$${roomId.slice(1)}`));
      return [text(create, "type") === "m.room.create", text(create, "sender") === client.userId];
    },
  ),
  all("lets a version 12 creator do what takes more than any number", 200, async ({ user }) => {
    const client = await user();
    const override = { events: { "a.state": 1_000_000 } };
    const body = { room_version: "12", power_level_content_override: override };
    const roomId = await createRoom(client, body);
    return (await client.call("PUT", inRoom(roomId, "state/a.state/"), { body: {} })).status;
  }),
  all("gives a state event whole when asked with format=event", true, async ({ user }) => {
    const client = await user();
    const roomId = await createRoom(client);
    const query = { format: "event" };
    const event = await client.ok("GET", inRoom(roomId, "state/m.room.create/"), { query });
    return text(event, "sender") === client.userId && text(event, "event_id") !== "";
  }),
  row(
    "table, createRoom v12 with the creator in PL users",
    { synapse: [400, "M_UNKNOWN"], dendrite: [400, "M_FORBIDDEN"], conduit: [403, "M_FORBIDDEN"] },
    async ({ user }) => {
      const client = await user();
      const body = { room_version: "12", power_level_content_override: { users: { [client.userId]: 100 } } };
      return outcome(client.call("POST", `${V3}/createRoom`, { body }));
    },
  ),
  row(
    "table, power levels read back: the defaults are there",
    { synapse: true, dendrite: true, conduit: false },
    async ({ user }) => {
      const client = await user();
      const override = { events: { "dev.petrel.telemetry": 0 } };
      const roomId = await createRoom(client, { power_level_content_override: override });
      const levels = await client.ok("GET", inRoom(roomId, "state/m.room.power_levels/"));
      return (
        isObject(levels) && ["ban", "kick", "events_default", "state_default"].every((key) => key in levels)
      );
    },
  ),
  all("takes given power levels for event types", 0, async ({ user }) => {
    const client = await user();
    const roomId = await createRoom(client, { power_level_content_override: { events: { "a.b": 0 } } });
    return at(await client.ok("GET", inRoom(roomId, "state/m.room.power_levels/")), "events", "a.b");
  }),
  all("lets no power be taken that one does not have", [403, "M_FORBIDDEN"], async ({ user }) => {
    const [, guest, roomId] = await pairInRoom(user, {
      power_level_content_override: { events: { "m.room.power_levels": 0 } },
    });
    const levels = await guest.ok("GET", inRoom(roomId, "state/m.room.power_levels/"));
    const users = {
      ...(isObject(at(levels, "users")) ? (at(levels, "users") as object) : {}),
      [guest.userId]: 100,
    }; // checked just before
    const body = { ...(isObject(levels) ? levels : {}), users };
    return outcome(guest.call("PUT", inRoom(roomId, "state/m.room.power_levels/"), { body }));
  }),
  all(
    "refuses state without the power for it, allows messages",
    [[403, "M_FORBIDDEN"], 200],
    async ({ user }) => {
      const [, guest, roomId] = await pairInRoom(user);
      const refused = await outcome(guest.call("PUT", inRoom(roomId, "state/a.state/"), { body: {} }));
      return [refused, (await send(guest, roomId, note("hello"))).status];
    },
  ),
  all("refuses a message type above the sender's power", [403, "M_FORBIDDEN"], async ({ user }) => {
    const [, guest, roomId] = await pairInRoom(user, {
      power_level_content_override: { events: { "a.command": 50 } },
    });
    return outcome(send(guest, roomId, {}, { type: "a.command" }));
  }),
  all("refuses to set the state of another user", [403, "M_FORBIDDEN"], async ({ user }) => {
    const client = await user();
    const roomId = await createRoom(client);
    return outcome(client.call("PUT", inRoom(roomId, `state/a.state/@else:${"localhost"}`), { body: {} }));
  }),
  all(
    "keeps state, and answers 404 where there is none",
    [{ a: 1 }, [404, "M_NOT_FOUND"]],
    async ({ user }) => {
      const client = await user();
      const roomId = await createRoom(client);
      await client.ok("PUT", inRoom(roomId, "state/a.state/key"), { body: { a: 1 } });
      const missing = await outcome(client.call("GET", inRoom(roomId, "state/a.state/other")));
      return [await client.ok("GET", inRoom(roomId, "state/a.state/key")), missing];
    },
  ),
  all("lists the whole state", true, async ({ user }) => {
    const client = await user();
    const state = await client.ok("GET", inRoom(await createRoom(client), "state"));
    const types = list({ state }, "state").map((event) => text(event, "type"));
    return ["m.room.create", "m.room.member", "m.room.power_levels", "m.room.join_rules"].every((t) =>
      types.includes(t),
    );
  }),
  all(
    "creates with a name, a topic and initial state",
    ["N", "T", "m.megolm.v1.aes-sha2"],
    async ({ user }) => {
      const client = await user();
      const encryption = {
        type: "m.room.encryption",
        state_key: "",
        content: { algorithm: "m.megolm.v1.aes-sha2" },
      };
      const roomId = await createRoom(client, { name: "N", topic: "T", initial_state: [encryption] });
      return [
        at(await client.ok("GET", inRoom(roomId, "state/m.room.name/")), "name"),
        at(await client.ok("GET", inRoom(roomId, "state/m.room.topic/")), "topic"),
        at(await client.ok("GET", inRoom(roomId, "state/m.room.encryption/")), "algorithm"),
      ];
    },
  ),
  all("resolves an alias, and knows none that was not made", [true, 404], async ({ server, user }) => {
    const client = await user();
    const localpart = `fleet-${client.deviceId.toLowerCase().replace(/[^a-z0-9]/g, "")}`;
    const roomId = await createRoom(client, { room_alias_name: localpart });
    const path = (name: string) =>
      `${V3}/directory/room/${encodeURIComponent(`#${name}:${server().serverName}`)}`;
    const found = text(await client.ok("GET", path(localpart)), "room_id");
    return [found === roomId, (await client.call("GET", path(`${localpart}-none`))).status];
  }),
  all("makes an alias for a room that exists, and joins by it", true, async ({ server, user }) => {
    const [owner, guest] = [await user(), await user()];
    const roomId = await createRoom(owner, { preset: "public_chat" });
    const alias = `#x${owner.userId.slice(1, owner.userId.indexOf(":"))}:${server().serverName}`;
    await owner.ok("PUT", `${V3}/directory/room/${encodeURIComponent(alias)}`, { body: { room_id: roomId } });
    const answer = await guest.ok("POST", `${V3}/join/${encodeURIComponent(alias)}`, { body: {} });
    return text(answer, "room_id") === roomId;
  }),
  all("refuses to join a private room, and lets the invited in", [403, 200], async ({ user }) => {
    const [owner, guest] = [await user(), await user()];
    const roomId = await createRoom(owner, { preset: "private_chat" });
    const path = `${V3}/join/${encodeURIComponent(roomId)}`;
    const refused = await guest.call("POST", path, { body: {} });
    await owner.ok("POST", inRoom(roomId, "invite"), { body: { user_id: guest.userId } });
    return [refused.status, (await guest.call("POST", path, { body: {} })).status];
  }),
  all("shows an invite in /sync with who sent it", true, async ({ user }) => {
    const [owner, guest] = [await user(), await user()];
    const since = nextBatch(await sync(guest));
    const roomId = await createRoom(owner, { preset: "private_chat", invite: [guest.userId] });
    const json = await syncUntil(guest, since, (part) => isObject(at(part, "rooms", "invite", roomId)));
    const events = list(json, "rooms", "invite", roomId, "invite_state", "events");
    const mine = events.find((event) => at(event, "state_key") === guest.userId) ?? null;
    return at(mine, "sender") === owner.userId && at(mine, "content", "membership") === "invite";
  }),
  all("moves a room to `leave` in /sync after leaving", true, async ({ user }) => {
    const client = await user();
    const roomId = await createRoom(client);
    const since = nextBatch(await sync(client));
    await client.ok("POST", inRoom(roomId, "leave"), { body: {} });
    await syncUntil(client, since, (part) => isObject(at(part, "rooms", "leave", roomId)));
    return !list(await client.ok("GET", `${V3}/joined_rooms`), "joined_rooms").includes(roomId);
  }),
  row(
    "table, /messages after leaving: at last 200; before that, on Dendrite, `null` with 500",
    { synapse: [[], 200], dendrite: [["500 null"], 200], conduit: [[], 200] },
    async ({ which, user }) => {
      const client = await user();
      const roomId = await createRoom(client);
      await client.ok("POST", inRoom(roomId, "leave"), { body: {} });
      const seen = new Set<string>();
      for (let attempt = 0; attempt < 15; attempt += 1) {
        const answer = await client.call("GET", inRoom(roomId, "messages"), {
          query: { dir: "b", limit: 5 },
        });
        if (answer.status === 200) {
          // A real Dendrite that was quick enough shows none.
          return [which === "dendrite" ? ["500 null"] : [...seen], isObject(answer.json) ? 200 : "no object"];
        }
        seen.add(`${answer.status} ${answer.text.trim()}`);
      }
      return [[...seen], "never 200"];
    },
  ),
  row(
    "leaving a room twice",
    { synapse: [200, ""], dendrite: [400, "M_UNKNOWN"], conduit: [200, ""] },
    async ({ user }) => {
      const client = await user();
      const roomId = await createRoom(client);
      await client.ok("POST", inRoom(roomId, "leave"), { body: {} });
      return outcome(client.call("POST", inRoom(roomId, "leave"), { body: {} }));
    },
  ),
  all("shows a stranger nothing of a private room", [403, 0, 403], async ({ user }) => {
    const [owner, stranger] = [await user(), await user()];
    const roomId = await createRoom(owner, { preset: "private_chat" });
    const state = await stranger.call("GET", inRoom(roomId, "state/m.room.create/"));
    // Dendrite answers 200 with an empty chunk.
    const messages = await stranger.call("GET", inRoom(roomId, "messages"), { query: { dir: "b" } });
    return [
      state.status,
      list(messages.json, "chunk").length,
      (await send(stranger, roomId, note("x"))).status,
    ];
  }),
  all("kicks, and the kicked may not send", [200, 403], async ({ user }) => {
    const [owner, guest, roomId] = await pairInRoom(user);
    const kicked = await owner.call("POST", inRoom(roomId, "kick"), { body: { user_id: guest.userId } });
    return [kicked.status, (await send(guest, roomId, note("still here?"))).status];
  }),
  all("lists joined rooms and members", [true, true, 2], async ({ user }) => {
    const [owner, guest, roomId] = await pairInRoom(user);
    const rooms = list(await owner.ok("GET", `${V3}/joined_rooms`), "joined_rooms");
    const joined = at(await owner.ok("GET", inRoom(roomId, "joined_members")), "joined");
    const members = list(await owner.ok("GET", inRoom(roomId, "members")), "chunk");
    return [rooms.includes(roomId), isObject(joined) && guest.userId in joined, members.length];
  }),
  row(
    "table, send to an unknown room",
    { synapse: 403, dendrite: 400, conduit: 500 },
    async ({ user }) => (await send(await user(), "!unknown:localhost", note("x"))).status,
  ),
  row(
    "table, timestamp_to_event, room_summary, custom profile, media v1/create",
    { synapse: [200, 200, 200, 200], dendrite: [404, 404, 404, 404], conduit: [404, 404, 404, 404] },
    async ({ user }) => {
      const client = await user();
      const roomId = await createRoom(client, { preset: "public_chat" });
      const id = encodeURIComponent(roomId);
      const profile = `${V3}/profile/${encodeURIComponent(client.userId)}/dev.petrel.model`;
      const query = { ts: Date.now(), dir: "b" };
      return [
        (await client.call("GET", `/_matrix/client/v1/rooms/${id}/timestamp_to_event`, { query })).status,
        (await client.call("GET", `/_matrix/client/v1/room_summary/${id}`)).status,
        (await client.call("PUT", profile, { body: { "dev.petrel.model": "x" } })).status,
        (await client.call("POST", "/_matrix/media/v1/create", { body: {} })).status,
      ];
    },
  ),
];
