// What the delivery's tests share: a runtime whose seconds are short, an outbox on a real store, a sender on a loopback homeserver.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Lane } from "#agent/delivery/lanes.ts";
import { type Outgoing, put } from "#agent/delivery/outbox.ts";
import { Sender } from "#agent/delivery/sender.ts";
import { deliveryMigrations } from "#agent/delivery/tables.ts";
import { createClient } from "#agent/matrix/client.ts";
import { createHttp } from "#agent/matrix/http.ts";
import type { MatrixClient } from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { type Homeserver, startHomeserver, type TestUser } from "#test/homeserver/homeserver.ts";
import type { ProfileName } from "#test/homeserver/profile.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import { type LogLine, recordingLog } from "../whole-agent.ts";

/** Time that runs `factor` times as fast, timers and monotonic clock alike: a minute of back-off passes in a moment, and in order. */
export const fastRuntime = (factor: number, lines: LogLine[] = []): Runtime => ({
  clock: { wallMs: () => Date.now(), monoMs: () => performance.now() * factor },
  timers: {
    after: (delayMs, callback) => {
      const timer = setTimeout(callback, delayMs / factor);
      return () => clearTimeout(timer);
    },
  },
  random: (length) => randomBytes(length),
  log: recordingLog(lines),
});

export interface Post {
  readonly server: Homeserver;
  readonly user: TestUser;
  readonly client: MatrixClient;
  readonly store: Store;
  readonly sender: Sender;
  readonly lines: LogLine[];
  readonly links: boolean[];
  readonly fatal: unknown[];
  room(): Promise<string>;
  put(outgoing: Partial<Outgoing> & { readonly roomId: string }): Promise<string>;
  waiting(lane?: Lane): number;
  /** What the room holds of our events, by their `n`. */
  numbers(roomId: string): unknown[];
  /** Resolves when the outbox is empty. */
  emptied(): Promise<void>;
}

export const waitingIn = (store: Store, lane?: Lane): number =>
  store.read((database) =>
    Number(
      database.prepare("SELECT count(*) AS n FROM outbox WHERE lane = coalesce(?, lane)").get(lane ?? null)?.[
        "n"
      ],
    ),
  );

export const clientFor = (
  url: string,
  { accessToken, deviceId, userId }: TestUser,
  runtime: Runtime,
): MatrixClient => {
  const end = new AbortController();
  onTestFinished(() => end.abort());
  const http = createHttp({ timers: runtime.timers, signal: end.signal });
  const session = {
    userId,
    deviceId,
    baseUrl: url,
    verify: () => Promise.resolve(),
    authorised: <T>(request: (token: string) => Promise<T>) => request(accessToken),
  };
  return createClient({ http, session });
};

const FACTOR = 50;

export const openPost = async (profile: ProfileName = "synapse"): Promise<Post> => {
  const server = await startHomeserver({ profile });
  onTestFinished(() => server.stop());
  const user = await server.addUser("drone");
  const store = await openTestStore(join(temporaryFolder(), "o.db"), { migrations: [deliveryMigrations] });
  const lines: LogLine[] = [];
  const links: boolean[] = [];
  const fatal: unknown[] = [];
  const runtime = fastRuntime(FACTOR, lines);
  const client = clientFor(server.url, user, runtime);
  const hooks = {
    link: (up: boolean) => void links.push(up),
    left: () => undefined,
    fatal: (error: unknown) => void fatal.push(error),
  };
  const sender = new Sender(store, client, runtime, hooks);
  onTestFinished(() => sender.stop());
  return {
    server,
    user,
    client,
    store,
    sender,
    lines,
    links,
    fatal,
    room: () => client.createRoom({}),
    put: (outgoing) =>
      store.transaction((database) =>
        put(database, store.vault, runtime.random, { lane: "bulk", type: "test", content: {}, ...outgoing }),
      ),
    waiting: (lane) => waitingIn(store, lane),
    numbers: (roomId) =>
      server
        .events(roomId)
        .filter(({ type }) => type === "test")
        .map(({ content }) => content["n"]),
    emptied: async () => {
      const end = performance.now() + 20_000;
      while (waitingIn(store) > 0) {
        if (performance.now() > end) throw new Error(`the outbox still holds ${waitingIn(store)} events`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  };
};
