// Sending, transaction IDs, limits of events, redaction, relations, receipts, reading back. Client-Server API, "Sending events to a room".
import {
  type Answer,
  at,
  isObject,
  type Json,
  type JsonObject,
  list,
  readRoom,
  text,
} from "#test/peers/http.ts";
import {
  all,
  type Client,
  type Context,
  createRoom,
  freshTxn,
  inRoom,
  logIn,
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
  verdict,
} from "./contract.ts";

const eventId = (answer: Answer): string => text(answer.json, "event_id");

const roomWith = async ({ user }: Context): Promise<[Client, string]> => {
  const client = await user();
  return [client, await createRoom(client)];
};

const raw = (client: Client, roomId: string, body: string): Promise<Answer> =>
  client.call("PUT", inRoom(roomId, `send/a.b/${freshTxn()}`), { raw: body });

/** An event whose canonical content has `bytes` bytes. */
const contentOf = (bytes: number): JsonObject => ({ body: "x".repeat(bytes - '{"body":""}'.length) });

const react = (client: Client, roomId: string, target: string): Promise<Answer> =>
  send(
    client,
    roomId,
    { "m.relates_to": { rel_type: "m.annotation", event_id: target, key: "ok" } },
    { type: "m.reaction" },
  );

const shownTransaction = async (client: Client, roomId: string): Promise<boolean> =>
  timeline(await sync(client), roomId).some((event) => at(event, "unsigned", "transaction_id") !== null);

const ageIn = async (client: Client, roomId: string): Promise<string> => {
  const events = timeline(await sync(client), roomId);
  const ages = events.map((event) => at(event, "unsigned", "age"));
  if (ages.every((age) => age === null)) return "absent";
  return ages.every((age) => age === 1) ? "one" : "real";
};

/** The event once it shows its redaction: Dendrite's readers need a moment. */
const redacted = async (client: Client, path: string): Promise<Json> => {
  for (let round = 0; ; round += 1) {
    const event = await client.ok("GET", path);
    if (round === 100 || isObject(at(event, "unsigned", "redacted_because"))) return event;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};

export const eventRows: readonly Row[] = [
  all(
    "returns the first event ID for the same transaction ID, whatever the body",
    [true, 1],
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const txn = freshTxn();
      const first = await send(client, roomId, note("one"), { txn });
      const again = await send(client, roomId, note("two"), { txn });
      await settle(client, roomId, eventId(again));
      const events = await readRoom(context.server().url, client.accessToken, roomId);
      return [
        eventId(first) === eventId(again),
        events.filter((event) => event.type === "m.room.message").length,
      ];
    },
  ),
  row(
    "table, same txnId, same device, new token: deduplicated",
    { synapse: true, dendrite: false, conduit: true },
    async (context) => {
      const owner = await context.user();
      const roomId = await createRoom(owner);
      const txn = freshTxn();
      const before = (await logIn(context.server(), owner, { device_id: "EDGE" })).client;
      const first = await send(before, roomId, note("one"), { txn });
      const after = (await logIn(context.server(), owner, { device_id: "EDGE" })).client;
      return eventId(first) === eventId(await send(after, roomId, note("one"), { txn }));
    },
  ),
  row(
    "table, same txnId after a server restart: deduplicated",
    { synapse: true, dendrite: false, conduit: true },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const txn = freshTxn();
      const first = await send(client, roomId, note("one"), { txn });
      await context.server().restart();
      return eventId(first) === eventId(await send(client, roomId, note("one"), { txn }));
    },
  ),
  row(
    "table, same txnId in another room: the first room's event, not sent",
    { synapse: [false, 1], dendrite: [false, 1], conduit: [true, 0] },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const other = await createRoom(client);
      const txn = freshTxn();
      const first = await send(client, roomId, note("one"), { txn });
      const second = await send(client, other, note("one"), { txn });
      if (eventId(first) !== eventId(second)) await settle(client, other, eventId(second));
      const events = await readRoom(context.server().url, client.accessToken, other);
      return [
        eventId(first) === eventId(second),
        events.filter((event) => event.type === "m.room.message").length,
      ];
    },
  ),
  row(
    "table, redact, same txn twice: same event",
    { synapse: true, dendrite: true, conduit: false },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const target = eventId(await send(client, roomId, note("oops")));
      const path = inRoom(roomId, `redact/${target}/${freshTxn()}`);
      const first = await client.call("PUT", path, { body: {} });
      return eventId(first) === eventId(await client.call("PUT", path, { body: {} }));
    },
  ),
  row(
    "redacting an event that is not there",
    { synapse: 200, dendrite: 400, conduit: 400 },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const path = inRoom(roomId, `redact/$${"a".repeat(43)}/${freshTxn()}`);
      return (await client.call("PUT", path, { body: {} })).status;
    },
  ),
  all("a redaction empties the content and says so", [{}, true], async (context) => {
    const [client, roomId] = await roomWith(context);
    const target = eventId(await send(client, roomId, note("oops")));
    await client.ok("PUT", inRoom(roomId, `redact/${target}/${freshTxn()}`), { body: { reason: "test" } });
    const event = await redacted(client, inRoom(roomId, `event/${target}`));
    return [at(event, "content"), isObject(at(event, "unsigned", "redacted_because"))];
  }),
  row(
    "table, unsigned.transaction_id: shown to own device, to another device, after re-login",
    { synapse: [true, false, true], dendrite: [true, "chance", false], conduit: [true, true, true] },
    async (context) => {
      const owner = await context.user();
      const sender = (await logIn(context.server(), owner, { device_id: "SENDER" })).client;
      const other = (await logIn(context.server(), owner, { device_id: "OTHER" })).client;
      const roomId = await createRoom(sender);
      await settle(sender, roomId, eventId(await send(sender, roomId, note("mine"))));
      const own = await shownTransaction(sender, roomId);
      // Dendrite numbers a user's sessions by the last one seen: two devices may share a number.
      const others = context.which === "dendrite" ? "chance" : await shownTransaction(other, roomId);
      const again = (await logIn(context.server(), owner, { device_id: "SENDER" })).client;
      return [own, others, await shownTransaction(again, roomId)];
    },
  ),
  row("table, unsigned.age", { synapse: "real", dendrite: "absent", conduit: "one" }, async (context) => {
    const [client, roomId] = await roomWith(context);
    await settle(client, roomId, eventId(await send(client, roomId, note("old?"))));
    return ageIn(client, roomId);
  }),
  row(
    "table, ?ts= by an ordinary user: honoured",
    { synapse: false, dendrite: true, conduit: false },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const id = eventId(await send(client, roomId, note("long ago"), { query: { ts: "1000000000000" } }));
      return (
        at(await client.ok("GET", inRoom(roomId, `event/${id}`)), "origin_server_ts") === 1_000_000_000_000
      );
    },
  ),
  row(
    "table, float, int > 2^53",
    {
      synapse: [[400, "M_BAD_JSON"], [400, "M_BAD_JSON"], 200],
      dendrite: [[400, "M_BAD_JSON"], [400, "M_BAD_JSON"], 200],
      conduit: [[400, "M_INVALID_PARAM"], [400, "M_INVALID_PARAM"], 200],
    },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      return [
        verdict(await raw(client, roomId, '{"v":21.5}')),
        verdict(await raw(client, roomId, '{"v":9007199254740992}')),
        (await raw(client, roomId, '{"v":9007199254740991,"s":"1.5e3"}')).status,
      ];
    },
  ),
  row(
    "table, 65,200-byte body",
    { synapse: [413, "M_TOO_LARGE"], dendrite: [413, "M_BAD_JSON"], conduit: [413, "M_TOO_LARGE"] },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      return outcome(send(client, roomId, contentOf(65_200), { type: "a.b" }));
    },
  ),
  all("takes 64,000 bytes of content", 200, async (context) => {
    const [client, roomId] = await roomWith(context);
    return (await send(client, roomId, contentOf(64_000), { type: "a.b" })).status;
  }),
  all("refuses an event type over 255 bytes", true, async (context) => {
    const [client, roomId] = await roomWith(context);
    const { status } = await send(client, roomId, {}, { type: "a".repeat(256) });
    return status >= 400 && status < 500;
  }),
  row(
    "a body that is no JSON",
    { synapse: [400, "M_NOT_JSON"], dendrite: [400, "M_BAD_JSON"], conduit: [400, "M_NOT_JSON"] },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      return verdict(await raw(client, roomId, "{nope"));
    },
  ),
  row(
    "an m.room.message without a msgtype",
    { synapse: [400, "M_UNKNOWN"], dendrite: [200, ""], conduit: [200, ""] },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      return verdict(await send(client, roomId, { body: "no msgtype" }));
    },
  ),
  row(
    "table, same reaction twice",
    {
      synapse: [200, [400, "M_DUPLICATE_ANNOTATION"]],
      dendrite: [200, [200, ""]],
      conduit: [200, [200, ""]],
    },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const target = eventId(await send(client, roomId, note("react to me")));
      return [(await react(client, roomId, target)).status, verdict(await react(client, roomId, target))];
    },
  ),
  row(
    "table, bundled relations: replace, thread; /threads",
    { synapse: [true, true, 200], dendrite: [false, false, 404], conduit: [false, true, 400] },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const target = eventId(await send(client, roomId, note("first")));
      const edit = { ...note("* second"), "m.new_content": note("second") };
      await send(client, roomId, { ...edit, "m.relates_to": { rel_type: "m.replace", event_id: target } });
      await send(client, roomId, {
        ...note("reply"),
        "m.relates_to": { rel_type: "m.thread", event_id: target },
      });
      const bundle = at(await client.ok("GET", inRoom(roomId, `event/${target}`)), "unsigned", "m.relations");
      const threads = await client.call(
        "GET",
        `/_matrix/client/v1/rooms/${encodeURIComponent(roomId)}/threads`,
      );
      return [isObject(at(bundle, "m.replace")), isObject(at(bundle, "m.thread")), threads.status];
    },
  ),
  all("serves /relations by type", [1, 2], async (context) => {
    const [client, roomId] = await roomWith(context);
    const target = eventId(await send(client, roomId, note("first")));
    await react(client, roomId, target);
    await send(client, roomId, {
      ...note("reply"),
      "m.relates_to": { rel_type: "m.thread", event_id: target },
    });
    const path = `/_matrix/client/v1/rooms/${encodeURIComponent(roomId)}/relations/${encodeURIComponent(target)}`;
    const byType = list(await client.ok("GET", `${path}/m.annotation`), "chunk");
    return [byType.length, list(await client.ok("GET", path), "chunk").length];
  }),
  all("finds one event, and says so when there is none", [note("find me"), 404], async (context) => {
    const [client, roomId] = await roomWith(context);
    const id = eventId(await send(client, roomId, note("find me")));
    const missing = await client.call("GET", inRoom(roomId, `event/$${"a".repeat(43)}`));
    return [at(await client.ok("GET", inRoom(roomId, `event/${id}`)), "content"), missing.status];
  }),
  all("shows what surrounds an event", [true, true, true], async (context) => {
    const [client, roomId] = await roomWith(context);
    const ids = await sendMany(client, roomId, 5);
    const json = await client.ok("GET", inRoom(roomId, `context/${ids[2]}`), { query: { limit: 4 } });
    const has = (part: string, id: string | undefined): boolean =>
      list(json, part).some((event) => text(event, "event_id") === id);
    return [
      text(json, "event", "event_id") === ids[2],
      has("events_before", ids[1]),
      has("events_after", ids[3]),
    ];
  }),
  row("table, receipt with an empty body", { synapse: 400, dendrite: 200, conduit: 200 }, async (context) => {
    const [client, roomId] = await roomWith(context);
    const id = eventId(await send(client, roomId, note("read me")));
    return (await client.call("POST", inRoom(roomId, `receipt/m.read/${id}`))).status;
  }),
  all("brings a receipt in /sync", true, async (context) => {
    const [client, roomId] = await roomWith(context);
    const id = eventId(await send(client, roomId, note("read me")));
    const since = nextBatch(await sync(client));
    await client.ok("POST", inRoom(roomId, `receipt/m.read/${id}`), { body: {} });
    const receipts = (json: Parameters<typeof at>[0]) =>
      list(json, "rooms", "join", roomId, "ephemeral", "events").filter(
        (event) => text(event, "type") === "m.receipt",
      );
    const json = await syncUntil(client, since, (part) => receipts(part).length > 0);
    return isObject(at(receipts(json)[0] ?? null, "content", id, "m.read", client.userId));
  }),
  row(
    "table, send with a delay parameter (MSC4140)",
    { synapse: ["delay_id", 0], dendrite: ["event_id", 1], conduit: ["event_id", 1] },
    async (context) => {
      const [client, roomId] = await roomWith(context);
      const query = { "org.matrix.msc4140.delay": "60000" };
      const answer = await send(client, roomId, note("last will"), { query });
      if (eventId(answer) !== "") await settle(client, roomId, eventId(answer));
      const events = await readRoom(context.server().url, client.accessToken, roomId);
      const sent = events.filter((event) => event.type === "m.room.message").length;
      return [isObject(answer.json) && "delay_id" in answer.json ? "delay_id" : "event_id", sent];
    },
  ),
];
