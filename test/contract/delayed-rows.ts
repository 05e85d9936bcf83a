// Delayed events in the form that Synapse ships (MSC4140, old form); the other servers have none.
import { at, isObject, list, text } from "#test/peers/http.ts";
import {
  type Context,
  createRoom,
  inRoom,
  nextBatch,
  note,
  type Row,
  row,
  send,
  sync,
  syncUntil,
  timeline,
  V3,
  verdict,
} from "./contract.ts";

const UNSTABLE = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events";

const only = (name: string, expected: unknown, observe: Row["observe"]): Row =>
  row(`delayed events: ${name}`, { synapse: expected, dendrite: null, conduit: null }, (context) =>
    context.which === "synapse" ? observe(context) : Promise.resolve(null),
  );

const schedule = async ({ user }: Context, delayMs: number) => {
  const client = await user();
  const roomId = await createRoom(client);
  const query = { "org.matrix.msc4140.delay": String(delayMs) };
  const answer = await send(client, roomId, note("will"), { query });
  return { client, roomId, answer, id: text(answer.json, "delay_id") };
};

export const delayedRows: readonly Row[] = [
  row(
    "delayed events: the feature flag and the capability",
    { synapse: [true, true], dendrite: [false, false], conduit: [false, false] },
    async ({ user }) => {
      const client = await user();
      const versions = await client.ok("GET", "/_matrix/client/versions");
      const capabilities = await client.ok("GET", `${V3}/capabilities`);
      const capability = at(capabilities, "capabilities", "org.matrix.msc4140.delayed_events");
      return [at(versions, "unstable_features", "org.matrix.msc4140") === true, isObject(capability)];
    },
  ),
  only("sent when their time comes", "will", async (context) => {
    const { client, roomId } = await schedule(context, 300);
    const since = nextBatch(await sync(client));
    const isWill = (json: Parameters<typeof at>[0]): boolean =>
      timeline(json, roomId).some((event) => text(event, "content", "body") === "will");
    return (await isNow(client, roomId)) || isWill(await syncUntil(client, since, isWill)) ? "will" : "none";
  }),
  only("sent on request, by path and by body", [200, 200, 2], async (context) => {
    const { client, roomId, id } = await schedule(context, 60_000);
    const query = { "org.matrix.msc4140.delay": "60000" };
    const second = text((await send(client, roomId, note("will"), { query })).json, "delay_id");
    const byPath = await client.call("POST", `${UNSTABLE}/${id}/send`, { body: {} });
    const byBody = await client.call("POST", `${UNSTABLE}/${second}`, { body: { action: "send" } });
    const json = await client.ok("GET", inRoom(roomId, "messages"), { query: { dir: "b", limit: 20 } });
    const sent = list(json, "chunk").filter((event) => text(event, "content", "body") === "will");
    return [byPath.status, byBody.status, sent.length];
  }),
  only("restarted, cancelled, and then unknown", [200, 200, 404], async (context) => {
    const { client, id } = await schedule(context, 60_000);
    const act = async (action: string): Promise<number> =>
      (await client.call("POST", `${UNSTABLE}/${id}/${action}`, { body: {} })).status;
    return [await act("restart"), await act("cancel"), await act("restart")];
  }),
  only("listed", 1, async (context) => {
    const { client } = await schedule(context, 60_000);
    const json = await client.ok("GET", UNSTABLE);
    return [...list(json, "delayed_events"), ...list(json, "scheduled")].length;
  }),
  only("refused beyond the maximum", [400, true], async (context) => {
    const { answer } = await schedule(context, 1_000_000_000_000);
    return [verdict(answer)[0], answer.text.includes("DELAY")];
  }),
  only("of state", "delay_id", async ({ user }) => {
    const client = await user();
    const roomId = await createRoom(client);
    const query = { "org.matrix.msc4140.delay": "60000" };
    const json = await client.ok("PUT", inRoom(roomId, "state/a.status/x"), { body: { on: false }, query });
    return isObject(json) && "delay_id" in json ? "delay_id" : "event_id";
  }),
];

const isNow = async (
  client: Awaited<ReturnType<typeof schedule>>["client"],
  roomId: string,
): Promise<boolean> => {
  const json = await client.ok("GET", inRoom(roomId, "messages"), { query: { dir: "b", limit: 5 } });
  return list(json, "chunk").some((event) => text(event, "content", "body") === "will");
};
