// /sync and the gap behind it. Client-Server API, "Syncing", "Getting events for a room".
import { at, isObject, type Json, list, text } from "#test/peers/http.ts";
import {
  all,
  type Client,
  type Context,
  createRoom,
  idsOf,
  inRoom,
  nextBatch,
  note,
  outcome,
  type Row,
  row,
  send,
  sendMany,
  settle,
  sync,
  syncUntil,
  timeline,
  V3,
} from "./contract.ts";

const filterOf = (filter: unknown): string => JSON.stringify(filter);
const limitFilter = (limit: number): string => filterOf({ room: { timeline: { limit } } });

const roomWith = async ({ user }: Context): Promise<[Client, string]> => {
  const client = await user();
  return [client, await createRoom(client)];
};

const stateTypes = (json: Json, roomId: string): string[] =>
  list(json, "rooms", "join", roomId, "state", "events").map((event) => text(event, "type"));

const page = async (
  client: Client,
  roomId: string,
  query: Record<string, string | number>,
): Promise<[string[], string]> => {
  const json = await client.ok("GET", inRoom(roomId, "messages"), { query });
  return [idsOf(list(json, "chunk")), text(json, "end")];
};

const GAP_LIMIT = 8;

interface Gap {
  readonly ids: string[];
  /** How many events came when asked on past the end. */
  readonly beyond: number;
}

/** Pages from prev_batch back to since until a page is not full, then asks once more. */
const fillGap = async (client: Client, roomId: string, from: string, to: string): Promise<Gap> => {
  const ids: string[] = [];
  let token = from;
  for (let round = 0; round < 20; round += 1) {
    const [chunk, end] = await page(client, roomId, { dir: "b", from: token, to, limit: GAP_LIMIT });
    ids.push(...chunk);
    token = end;
    if (chunk.length < GAP_LIMIT) break;
  }
  const [more] =
    token === "" ? [[]] : await page(client, roomId, { dir: "b", from: token, to, limit: GAP_LIMIT });
  return { ids: ids.reverse(), beyond: more.length };
};

/** Pages backwards from now until there is no `end` or nothing more. */
const walkBack = async (client: Client, roomId: string): Promise<string[]> => {
  const ids: string[] = [];
  let from = "";
  for (let round = 0; round < 20; round += 1) {
    const [chunk, end] = await page(client, roomId, {
      dir: "b",
      limit: 10,
      ...(from === "" ? {} : { from }),
    });
    ids.push(...chunk);
    if (end === "" || end === from || chunk.length === 0) break;
    from = end;
  }
  return ids;
};

export const syncRows: readonly Row[] = [
  all("starts with the state and the timeline of joined rooms", true, async (context) => {
    const [client, roomId] = await roomWith(context);
    const [id] = await sendMany(client, roomId, 1);
    const json = await sync(client);
    const types = [
      ...stateTypes(json, roomId),
      ...timeline(json, roomId).map((event) => text(event, "type")),
    ];
    return types.includes("m.room.create") && idsOf(timeline(json, roomId)).at(-1) === id;
  }),
  all("brings only what is new after `since`, in order", true, async (context) => {
    const [client, roomId] = await roomWith(context);
    const since = nextBatch(await sync(client));
    const ids = await sendMany(client, roomId, 3);
    const json = await syncUntil(client, since, (part) => timeline(part, roomId).length > 0);
    return JSON.stringify(idsOf(timeline(json, roomId))) === JSON.stringify(ids);
  }),
  row("table, timeline limit", { synapse: 3, dendrite: 3, conduit: 10 }, async (context) => {
    const [client, roomId] = await roomWith(context);
    const since = nextBatch(await sync(client));
    await sendMany(client, roomId, 15);
    return timeline(await sync(client, { since, filter: limitFilter(3) }), roomId).length;
  }),
  row(
    "table, gap: limited, complete by /messages from prev_batch to since; events past `since` when asked on",
    { synapse: [true, true, 0], dendrite: [true, true, 1], conduit: [true, true, 0] },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      await sendMany(client, roomId, 2);
      const since = nextBatch(await sync(client));
      const ids = await sendMany(client, roomId, 22);
      const json = await sync(client, { since, filter: limitFilter(5) });
      const part = at(json, "rooms", "join", roomId, "timeline");
      const gap = await fillGap(client, roomId, text(part, "prev_batch"), since);
      const whole = [...gap.ids, ...idsOf(list(part, "events"))];
      return [at(part, "limited"), JSON.stringify(whole) === JSON.stringify(ids), gap.beyond];
    },
  ),
  row(
    "paging back to the beginning: the first event comes so often",
    { synapse: 1, dendrite: 2, conduit: 1 },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      await sendMany(client, roomId, 3);
      const ids = await walkBack(client, roomId);
      return ids.filter((id) => id === ids.at(-1)).length;
    },
  ),
  row("paging forward without a from", { synapse: 200, dendrite: 400, conduit: 200 }, async (context) => {
    const [client, roomId] = await roomWith(context);
    return (await client.call("GET", inRoom(roomId, "messages"), { query: { dir: "f", limit: 5 } })).status;
  }),
  row(
    "a state change that the timeline filter drops comes in `state`: alone, before a message, after one",
    { synapse: [false, true, false], dendrite: [true, true, true], conduit: [true, true, true] },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const filter = filterOf({ room: { timeline: { types: ["m.room.message"] } } });
      let since = nextBatch(await sync(client));
      const shown = async (acts: readonly ("state" | "message")[]): Promise<boolean> => {
        for (const act of acts) {
          if (act === "message") await sendMany(client, roomId, 1);
          else await client.ok("PUT", inRoom(roomId, "state/a.state/"), { body: { at: since } });
        }
        // What the server has is seen without a filter first: a real one may need a moment.
        await syncUntil(client, since, (part) => timeline(part, roomId).length === acts.length);
        const json = await sync(client, { since, filter });
        since = nextBatch(json);
        return stateTypes(json, roomId).includes("a.state");
      };
      return [await shown(["state"]), await shown(["state", "message"]), await shown(["message", "state"])];
    },
  ),
  all(
    "marks a room that was just joined as limited, one that is whole as not",
    [true, false],
    async (context) => {
      const [owner, guest] = [await context.user(), await context.user()];
      const roomId = await createRoom(owner, { preset: "public_chat" });
      const since = nextBatch(await sync(guest));
      await sendMany(owner, roomId, 15);
      await guest.ok("POST", `${V3}/join/${encodeURIComponent(roomId)}`, { body: {} });
      const limited = (json: Json, id: string): Json => at(json, "rooms", "join", id, "timeline", "limited");
      const joined = await syncUntil(guest, since, (part) => timeline(part, roomId).length > 0);
      const small = await createRoom(guest);
      return [limited(joined, roomId), limited(await sync(guest, { filter: limitFilter(20) }), small)];
    },
  ),
  all("puts the state of a gap into `state`", true, async (context) => {
    const [client, roomId] = await roomWith(context);
    const since = nextBatch(await sync(client));
    await client.ok("PUT", inRoom(roomId, "state/a.state/"), { body: { n: 1 } });
    await sendMany(client, roomId, 15);
    return stateTypes(await sync(client, { since, filter: limitFilter(3) }), roomId).includes("a.state");
  }),
  row(
    "table, bad since",
    { synapse: [400, "M_UNKNOWN"], dendrite: [400, "M_INVALID_PARAM"], conduit: [200, ""] },
    async ({ user }) => outcome((await user()).call("GET", `${V3}/sync`, { query: { since: "nonsense" } })),
  ),
  row("table, unknown filter ID", { synapse: 400, dendrite: 200, conduit: 200 }, async ({ user }) => {
    const answer = await (await user()).call("GET", `${V3}/sync`, { query: { filter: "987654" } });
    return answer.status;
  }),
  row("a filter with a wildcard in types", { synapse: 1, dendrite: 0, conduit: 1 }, async (context) => {
    const [client, roomId] = await roomWith(context);
    const since = nextBatch(await sync(client));
    await settle(
      client,
      roomId,
      text((await send(client, roomId, { n: 1 }, { type: "a.b" })).json, "event_id"),
    );
    const filter = filterOf({ room: { timeline: { types: ["a.*"] } } });
    return timeline(await sync(client, { since, filter }), roomId).length;
  }),
  all("obeys an uploaded filter: types, not_types", [["a.b"], ["a.b"]], async (context) => {
    const [client, roomId] = await roomWith(context);
    const path = `${V3}/user/${encodeURIComponent(client.userId)}/filter`;
    const upload = async (timelineFilter: object): Promise<string> =>
      text(
        await client.ok("POST", path, { body: { room: { timeline: { ...timelineFilter } } } }),
        "filter_id",
      );
    const since = nextBatch(await sync(client));
    await send(client, roomId, note("not this"));
    await settle(
      client,
      roomId,
      text((await send(client, roomId, { n: 1 }, { type: "a.b" })).json, "event_id"),
    );
    const types = async (filter: string): Promise<string[]> =>
      timeline(await sync(client, { since, filter }), roomId).map((event) => text(event, "type"));
    return [
      await types(await upload({ types: ["a.b"] })),
      await types(await upload({ not_types: ["m.room.message"] })),
    ];
  }),
  all("lazy loading of a named room: only the members that spoke", [false, true], async (context) => {
    const owner = await context.user();
    const roomId = await createRoom(owner, { name: "Fleet" });
    const guests = [await context.user(), await context.user()];
    await owner.ok("PUT", inRoom(roomId, "state/m.room.join_rules/"), { body: { join_rule: "public" } });
    for (const guest of guests)
      await guest.ok("POST", `${V3}/join/${encodeURIComponent(roomId)}`, { body: {} });
    const speaker = guests[1];
    if (speaker === undefined) throw new Error("no guest");
    await sendMany(speaker, roomId, 12);
    const filter = filterOf({ room: { state: { lazy_load_members: true }, timeline: { limit: 5 } } });
    const json = await sync(owner, { filter });
    const members = list(json, "rooms", "join", roomId, "state", "events")
      .filter((event) => text(event, "type") === "m.room.member")
      .map((event) => text(event, "state_key"));
    return guests.map((guest) => members.includes(guest.userId));
  }),
  row(
    "table, long poll wakes: with the event",
    { synapse: true, dendrite: true, conduit: false },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const since = nextBatch(await syncUntilQuiet(client));
      const poll = sync(client, { since, timeout: 10_000 });
      await new Promise((resolve) => setTimeout(resolve, 200));
      const [id] = await sendMany(client, roomId, 1);
      const json = await poll;
      if (timeline(json, roomId).length > 0) return idsOf(timeline(json, roomId))[0] === id;
      const later = await syncUntil(client, nextBatch(json), (part) => timeline(part, roomId).length > 0);
      if (idsOf(timeline(later, roomId))[0] !== id) throw new Error("the event never came");
      return false;
    },
  ),
  row(
    "table, same since again after a new event: the old reply",
    { synapse: true, dendrite: false, conduit: true },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const since = nextBatch(await sync(client));
      await sendMany(client, roomId, 1);
      const first = await syncUntilSame(client, since, roomId, 1);
      await sendMany(client, roomId, 1);
      const again = await sync(client, { since });
      return timeline(again, roomId).length === timeline(first, roomId).length;
    },
  ),
  all("answers a poll with nothing new when its time is up", true, async ({ user }) => {
    const client = await user();
    const since = nextBatch(await syncUntilQuiet(client));
    const begun = performance.now();
    const json = await sync(client, { since, timeout: 500 });
    const tookMs = performance.now() - begun;
    return tookMs > 400 && tookMs < 5000 && nextBatch(json) !== "";
  }),
  all("pages back through every event once, newest first, by event ID", true, async (context) => {
    const [client, roomId] = await roomWith(context);
    const ids = await sendMany(client, roomId, 12);
    const walked = [...new Set(await walkBack(client, roomId))].reverse();
    return JSON.stringify(walked.slice(-12)) === JSON.stringify(ids);
  }),
  all("pages forward from a sync token", true, async (context) => {
    const [client, roomId] = await roomWith(context);
    const since = nextBatch(await sync(client));
    const ids = await sendMany(client, roomId, 5);
    const [chunk] = await page(client, roomId, { dir: "f", from: since, limit: 10 });
    return JSON.stringify(chunk) === JSON.stringify(ids);
  }),
  all("brings to-device messages once, and not after the next token", [[{ n: 1 }], []], async ({ user }) => {
    const [from, to] = [await user(), await user()];
    const since = nextBatch(await sync(to));
    const messages = { [to.userId]: { [to.deviceId]: { n: 1 } } };
    await from.ok("PUT", `${V3}/sendToDevice/a.b/t1`, { body: { messages } });
    await from.ok("PUT", `${V3}/sendToDevice/a.b/t1`, { body: { messages } });
    const json = await syncUntil(to, since, (part) => toDevice(part).length > 0);
    return [
      toDevice(json).map((event) => at(event, "content")),
      toDevice(await sync(to, { since: nextBatch(json) })),
    ];
  }),
  row(
    "table, to-device with an old since: repeated",
    { synapse: true, dendrite: false, conduit: false },
    async ({ user }) => {
      const [from, to] = [await user(), await user()];
      const since = nextBatch(await syncUntilQuiet(to));
      const messages = { [to.userId]: { "*": { n: 1 } } };
      await from.ok("PUT", `${V3}/sendToDevice/a.b/t2`, { body: { messages } });
      const first = await sync(to, { since, timeout: 1000 });
      const json = toDevice(first).length > 0 ? first : await sync(to, { since, timeout: 1000 });
      await sync(to, { since: nextBatch(json) });
      return toDevice(await sync(to, { since, timeout: 1000 })).length > 0;
    },
  ),
  row(
    "table, 150 to-device messages: the first batch, the second",
    { synapse: [100, 50], dendrite: [150, 0], conduit: [150, 0] },
    async ({ which, user }) => {
      const [from, to] = [await user(), await user()];
      const since = nextBatch(await syncUntilQuiet(to));
      for (let index = 0; index < 150; index += 1) {
        const messages = { [to.userId]: { [to.deviceId]: { n: index } } };
        await from.ok("PUT", `${V3}/sendToDevice/a.b/m${index}`, { body: { messages } });
      }
      // Dendrite has no limit but takes its time: asked earlier it shows what came so far, 134 once.
      const first = await firstBatch(to, since, which === "dendrite" ? 150 : 1);
      const second = await sync(to, { since: nextBatch(first) });
      const numbers = [...toDevice(first), ...toDevice(second)].map((event) => at(event, "content", "n"));
      const inOrder = numbers.every((n, index) => n === index);
      return inOrder ? [toDevice(first).length, toDevice(second).length] : numbers;
    },
  ),
];

/** The answer to one and the same `since` once it brings at least `least` messages. */
const firstBatch = async (client: Client, since: string, least: number): Promise<Json> => {
  for (let round = 0; round < 100; round += 1) {
    const json = await sync(client, { since });
    if (toDevice(json).length >= least) return json;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the to-device messages never came");
};

const toDevice = (json: Json): Json[] => list(json, "to_device", "events");

const isQuiet = (json: Json): boolean => {
  const join = at(json, "rooms", "join");
  return !isObject(join) || Object.keys(join).length === 0;
};

/** What a new account or room still causes (receipts, account data) must not wake the poll under test. */
const syncUntilQuiet = async (client: Client): Promise<Json> => {
  let json = await sync(client);
  for (let round = 0; round < 10; round += 1) {
    const next = await sync(client, { since: nextBatch(json), timeout: 50 });
    if (isQuiet(next) && nextBatch(next) === nextBatch(json)) return next;
    json = next;
  }
  return json;
};

/** The answer to one and the same `since`, once it shows `count` events. */
const syncUntilSame = async (client: Client, since: string, roomId: string, count: number): Promise<Json> => {
  for (let round = 0; round < 20; round += 1) {
    const json = await sync(client, { since });
    if (timeline(json, roomId).length === count) return json;
  }
  throw new Error("the event never came");
};
