// The contract: what a homeserver does, as one table of rows run against the loopback server's three profiles and against real servers. A row
// observes something over plain HTTP and states what each server shows. A difference between a profile and its real server is a bug of the
// profile (test/homeserver).
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Answer,
  type CallOptions,
  call,
  type Json,
  type JsonObject,
  list,
  text,
} from "#test/peers/http.ts";

export type Which = "synapse" | "dendrite" | "conduit";

export interface ContractUser {
  readonly userId: string;
  readonly accessToken: string;
  readonly deviceId: string;
  readonly password: string;
}

/** What the suite needs of a server, loopback or real. */
export interface ContractServer {
  readonly url: string;
  readonly serverName: string;
  addUser(name: string, options: { liftLimits: boolean }): Promise<ContractUser>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface Client extends ContractUser {
  readonly call: (method: string, path: string, options?: CallOptions) => Promise<Answer>;
  /** Throws on any status but 200. */
  readonly ok: (method: string, path: string, options?: CallOptions) => Promise<Json>;
}

export interface Context {
  readonly which: Which;
  readonly server: () => ContractServer;
  /** A user nobody else has; exempt from rate limits unless asked otherwise. */
  readonly user: (options?: { limited?: boolean }) => Promise<Client>;
}

export type Expected = { readonly [which in Which]: unknown };

export interface Row {
  readonly name: string;
  readonly expected: Expected;
  readonly observe: (context: Context) => Promise<unknown>;
}

/** A row that all servers answer alike: what the agent relies on. */
export const all = (name: string, expected: unknown, observe: Row["observe"]): Row => ({
  name,
  expected: { synapse: expected, dendrite: expected, conduit: expected },
  observe,
});

/** A row that tells servers apart. */
export const row = (name: string, expected: Expected, observe: Row["observe"]): Row => ({
  name,
  expected,
  observe,
});

export const V3 = "/_matrix/client/v3";

export const clientOf = (url: string, user: ContractUser): Client => {
  const request: Client["call"] = (method, path, options = {}) =>
    call(url, method, path, { token: user.accessToken, ...options });
  return {
    ...user,
    call: request,
    ok: async (method, path, options) => {
      const answer = await request(method, path, options);
      if (answer.status !== 200)
        throw new Error(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 300)}`);
      return answer.json;
    },
  };
};

/** A further session of the same user, by password. */
export const logIn = async (
  server: ContractServer,
  user: ContractUser,
  more: JsonObject = {},
): Promise<{ client: Client; json: Json }> => {
  const answer = await call(server.url, "POST", `${V3}/login`, {
    body: {
      type: "m.login.password",
      identifier: { type: "m.id.user", user: user.userId },
      password: user.password,
      ...more,
    },
  });
  if (answer.status !== 200) throw new Error(`login: ${answer.status} ${answer.text}`);
  const accessToken = text(answer.json, "access_token");
  const deviceId = text(answer.json, "device_id");
  return { client: clientOf(server.url, { ...user, accessToken, deviceId }), json: answer.json };
};

export const createRoom = async (client: Client, body: JsonObject = {}): Promise<string> =>
  text(await client.ok("POST", `${V3}/createRoom`, { body }), "room_id");

export const inRoom = (roomId: string, rest: string): string =>
  `${V3}/rooms/${encodeURIComponent(roomId)}/${rest}`;

let transactions = 0;
export const freshTxn = (): string => {
  transactions += 1;
  return `txn-${process.pid}-${transactions}`;
};

export const send = (
  client: Client,
  roomId: string,
  content: JsonObject,
  {
    txn = freshTxn(),
    type = "m.room.message",
    query = {},
  }: { txn?: string; type?: string; query?: Record<string, string> } = {},
): Promise<Answer> => client.call("PUT", inRoom(roomId, `send/${type}/${txn}`), { body: content, query });

export const note = (body: string): JsonObject => ({ msgtype: "m.notice", body });

const SETTLE_ROUNDS = 200;

/** Waits until /messages shows an event that was sent: Dendrite's answer to a send comes before its readers know of it. */
export const settle = async (client: Client, roomId: string, eventId: string): Promise<string> => {
  for (let round = 0; round < SETTLE_ROUNDS; round += 1) {
    const answer = await client.call("GET", inRoom(roomId, "messages"), { query: { dir: "b", limit: 3 } });
    if (idsOf(list(answer.json, "chunk")).includes(eventId)) return eventId;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`settle: ${eventId} never came`);
};

/** Sends `count` numbered notices and returns their event IDs. */
export const sendMany = async (client: Client, roomId: string, count: number): Promise<string[]> => {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    ids.push(text((await send(client, roomId, note(String(index)))).json, "event_id"));
  }
  await settle(client, roomId, ids.at(-1) ?? "");
  return ids;
};

export const sync = (client: Client, query: Record<string, string | number> = {}): Promise<Json> =>
  client.ok("GET", `${V3}/sync`, { query: { timeout: 0, ...query } });

export const nextBatch = (json: Json): string => text(json, "next_batch");

export const timeline = (json: Json, roomId: string): Json[] =>
  list(json, "rooms", "join", roomId, "timeline", "events");

export const idsOf = (events: readonly Json[]): string[] => events.map((event) => text(event, "event_id"));

export const verdict = (answer: Answer): [number, string] => [answer.status, text(answer.json, "errcode")];

export const outcome = async (answer: Promise<Answer>): Promise<[number, string]> => verdict(await answer);

/** Syncs on from `since` until `condition` holds of an answer: servers may need a moment, and some answer empty first. */
export const syncUntil = async (
  client: Client,
  since: string,
  condition: (json: Json) => boolean,
  query: Record<string, string | number> = {},
): Promise<Json> => {
  let token = since;
  for (let round = 0; round < 20; round += 1) {
    const json = await sync(client, { ...query, since: token, timeout: 2000 });
    if (condition(json)) return json;
    token = nextBatch(json);
  }
  throw new Error("syncUntil: not within 20 syncs");
};

/** A peer that is not in the cache yet is installed first: Dendrite's build takes minutes. */
const START_MS = 900_000;

/** Runs every row against the server that `start` gives, which is started once. */
export const runContract = (
  which: Which,
  start: () => Promise<ContractServer>,
  rows: readonly Row[],
): void => {
  describe(`contract: ${which}`, () => {
    let server: ContractServer | null = null;
    let users = 0;
    const running = (): ContractServer => {
      if (server === null) throw new Error("the server is not started");
      return server;
    };
    const context: Context = {
      which,
      server: running,
      user: async ({ limited = false } = {}) => {
        users += 1;
        const user = await running().addUser(`user${users}`, { liftLimits: !limited });
        return clientOf(running().url, user);
      },
    };
    beforeAll(async () => {
      server = await start();
    }, START_MS);
    afterAll(async () => {
      await server?.stop();
    });
    for (const { name, expected, observe } of rows) {
      it(name, async () => {
        expect(await observe(context)).toEqual(expected[which]);
      });
    }
  });
};
