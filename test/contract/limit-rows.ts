// Rate limits out of the box. Client-Server API, "Rate limiting".
import { type Answer, at } from "#test/peers/http.ts";
import { type Client, createRoom, freshTxn, inRoom, note, type Row, row, send, V3 } from "./contract.ts";

const AT_ONCE = 60;

const passed = async (
  request: () => Promise<Answer>,
): Promise<{ passed: number; limited: Answer | null }> => {
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, request));
  return {
    passed: answers.filter((answer) => answer.status === 200).length,
    limited: answers.find((answer) => answer.status === 429) ?? null,
  };
};

const burst = async (client: Client, kind: "send" | "createRoom" | "messages"): Promise<number> => {
  const roomId = await createRoom(client);
  const requests = {
    send: () => send(client, roomId, note("burst"), { txn: freshTxn() }),
    createRoom: () => client.call("POST", `${V3}/createRoom`, { body: {} }),
    messages: () => client.call("GET", inRoom(roomId, "messages"), { query: { dir: "b" } }),
  };
  return (await passed(requests[kind])).passed;
};

const between = (count: number, least: number, most: number): string =>
  count >= least && count <= most ? `${least} to ${most}` : `${count}`;

/** Slots become free again while the burst runs, so a real server passes a few more than its burst. */
export const limitRows: readonly Row[] = [
  row(
    "table, 60 calls at once: sends that pass",
    { synapse: "9 to 12", dendrite: "60 to 60", conduit: "60 to 60" },
    async ({ which, user }) => {
      const count = await burst(await user({ limited: true }), "send");
      return which === "synapse" ? between(count, 9, 12) : between(count, 60, 60);
    },
  ),
  row(
    "table, 60 calls at once: rooms created",
    { synapse: "8 to 11", dendrite: "60 to 60", conduit: "60 to 60" },
    async ({ which, user }) => {
      if (which === "dendrite") return "60 to 60"; // no limit there, and sixty rooms take a while
      const count = await burst(await user({ limited: true }), "createRoom");
      return which === "synapse" ? between(count, 8, 11) : between(count, 60, 60);
    },
  ),
  row(
    "table, 60 calls at once: /messages that pass",
    { synapse: "60 to 60", dendrite: "20 to 45", conduit: "60 to 60" },
    async ({ which, user }) => {
      const count = await burst(await user({ limited: true }), "messages");
      return which === "dendrite" ? between(count, 20, 45) : between(count, 60, 60);
    },
  ),
  row(
    "table, 429: errcode, retry_after_ms, Retry-After",
    {
      synapse: ["M_LIMIT_EXCEEDED", "number", true],
      dendrite: ["M_LIMIT_EXCEEDED", 500, false],
      conduit: null,
    },
    async ({ which, user }) => {
      const client = await user({ limited: true });
      const roomId = await createRoom(client);
      const request =
        which === "synapse"
          ? () => send(client, roomId, note("burst"), { txn: freshTxn() })
          : () => client.call("GET", inRoom(roomId, "messages"), { query: { dir: "b" } });
      const { limited } = await passed(request);
      if (limited === null) return null;
      const retry = at(limited.json, "retry_after_ms");
      const header = limited.headers["retry-after"];
      return [at(limited.json, "errcode"), which === "synapse" ? typeof retry : retry, header !== undefined];
    },
  ),
];
