// What the client's tests share: a log that is kept, timers that hurry, a rig of store, session, client and sync on a loopback homeserver.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createClient } from "#agent/matrix/client.ts";
import { createHttp, type Http } from "#agent/matrix/http.ts";
import type { Credentials } from "#agent/matrix/login.ts";
import { matrixMigrations } from "#agent/matrix/migrations.ts";
import { openSession, type Session, type SessionOptions } from "#agent/matrix/session.ts";
import { createSync, type Sync, type SyncOptions, type SyncState } from "#agent/matrix/sync.ts";
import {
  type MatrixClient,
  MatrixError,
  type Provenance,
  type SyncBatch,
  type SyncConsumer,
} from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import { openStore } from "#agent/store/open.ts";
import type { Migrations, Store } from "#agent/store/store.ts";
import {
  type Homeserver,
  type HomeserverOptions,
  startHomeserver,
  type TestUser,
} from "#test/homeserver/homeserver.ts";

export const PROFILES = ["synapse", "dendrite", "conduit"] as const;

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export interface TestRuntime extends Runtime {
  readonly lines: LogLine[];
  /** Adds to the monotonic and the wall clock. */
  advance(ms: number): void;
}

const realTimers: Runtime["timers"] = {
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** `hurry`: by how much delays are divided, so that a minute of back-off passes in a moment. */
export const testRuntime = (hurry = 1): TestRuntime => {
  const lines: LogLine[] = [];
  const write =
    (level: LogLine["level"]) =>
    (fields: LogLine["fields"], message: string): void => {
      lines.push({ level, fields, message });
    };
  let offset = 0;
  return {
    lines,
    advance: (ms) => {
      offset += ms;
    },
    clock: { wallMs: () => Date.now() + offset, monoMs: () => performance.now() + offset },
    timers: { after: (delayMs, callback) => realTimers.after(delayMs / hurry, callback) },
    random: (length) => randomBytes(length),
    log: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") },
  };
};

export const homeserver = async (options: HomeserverOptions = {}): Promise<Homeserver> => {
  const server = await startHomeserver(options);
  onTestFinished(() => server.stop());
  return server;
};

/** What consumers wrote: one row for each event handed on, so that a second time shows. */
export const inboxMigrations: Migrations = {
  module: "inbox",
  steps: ["CREATE TABLE inbox (id INTEGER PRIMARY KEY, event_id TEXT, room_id TEXT, provenance TEXT) STRICT"],
};

export const temporaryStorePath = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-matrix-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "petrel.db");
};

export const testStore = async (path: string = temporaryStorePath()): Promise<Store> => {
  const store = await openStore({
    path,
    key: new Uint8Array(32).fill(7),
    migrations: [matrixMigrations, inboxMigrations],
    runtime: testRuntime(),
  });
  onTestFinished(() => store.close().catch(() => undefined));
  return store;
};

/** An HTTP client that ends with the test. */
export const testHttp = (more: { readonly ca?: string; readonly hurry?: number } = {}): Http => {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const { timers } = testRuntime(more.hurry);
  return createHttp({ timers, signal: stop.signal, ...(more.ca === undefined ? {} : { ca: more.ca }) });
};

export interface Rig {
  readonly runtime: TestRuntime;
  readonly store: Store;
  readonly http: Http;
  readonly session: Session;
  readonly client: MatrixClient;
  /** Ends all that is under way, as a shutdown does. */
  readonly stop: AbortController;
}

export interface RigOptions {
  readonly store?: Store;
  readonly credentials?: Credentials;
  readonly session?: Partial<SessionOptions>;
}

export const passwordOf = (user: TestUser): Credentials => ({
  kind: "password",
  user: user.userId,
  password: user.password,
});

export const tokenOf = (user: TestUser): Credentials => ({
  kind: "access-token",
  accessToken: user.accessToken,
});

export const openRig = async (url: string, user: TestUser, options: RigOptions = {}): Promise<Rig> => {
  const runtime = testRuntime(1000);
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const http = createHttp({ timers: testRuntime().timers, signal: stop.signal });
  const store = options.store ?? (await testStore());
  const credentials = options.credentials ?? passwordOf(user);
  const common = { runtime, store, http, homeserver: url, credentials, displayName: "test" };
  const session = await openSession({ ...common, ...options.session });
  return { runtime, store, http, session, client: createClient({ http, session }), stop };
};

export interface Received {
  readonly eventId: string;
  readonly roomId: string;
  readonly provenance: Provenance;
}

export interface Running {
  readonly sync: Sync;
  readonly batches: SyncBatch[];
  readonly states: SyncState[];
  /** Settles as `run()` does. */
  readonly done: Promise<void>;
  /** All that was ever handed on, as the database has it. */
  received(): readonly Received[];
  /** Resolves when the condition holds, which is asked after each batch and state. */
  until(condition: () => boolean): Promise<void>;
  end(): Promise<void>;
}

export const receivedIn = (store: Store): readonly Received[] =>
  store.read((database) =>
    database
      .prepare("SELECT event_id, room_id, provenance FROM inbox ORDER BY id")
      .all()
      .map((row) => ({
        eventId: String(row["event_id"]),
        roomId: String(row["room_id"]),
        // Written by `inboxWriter` from a Provenance.
        provenance: String(row["provenance"]) as Provenance,
      })),
  );

const inboxWriter: SyncConsumer = {
  apply: (batch, database) => {
    const insert = database.prepare("INSERT INTO inbox (event_id, room_id, provenance) VALUES (?, ?, ?)");
    for (const [roomId, room] of batch.joined)
      for (const { event, provenance } of room.timeline) insert.run(event.eventId, roomId, provenance);
  },
};

const UNTIL_MS = 20_000;

/** Starts the sync of a rig; ended with the test. */
export const runSync = (rig: Rig, more: Partial<SyncOptions> = {}): Running => {
  const batches: SyncBatch[] = [];
  const states: SyncState[] = [];
  const checks = new Set<() => void>();
  const changed = (): void => {
    for (const check of checks) check();
  };
  const watcher: SyncConsumer = {
    apply: () => undefined,
    committed: (batch) => {
      batches.push(batch);
      changed();
    },
  };
  const sync = createSync({
    ...rig,
    signal: rig.stop.signal,
    onState: (state) => {
      states.push(state);
      changed();
    },
    ...more,
    consumers: [inboxWriter, watcher, ...(more.consumers ?? [])],
  });
  const done = sync.run();
  done.catch(() => undefined);
  const until = (condition: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const late = setTimeout(() => finish(new Error(`not met in time: ${String(condition)}`)), UNTIL_MS);
      const finish = (error?: Error): void => {
        clearTimeout(late);
        checks.delete(check);
        if (error === undefined) resolve();
        else reject(error);
      };
      const check = (): void => {
        if (condition()) finish();
      };
      done.catch((error: unknown) => finish(error instanceof Error ? error : new Error(String(error))));
      checks.add(check);
      check();
    });
  const end = async (): Promise<void> => {
    rig.stop.abort();
    await done;
  };
  return { sync, batches, states, done, until, end, received: () => receivedIn(rig.store) };
};

/** A client without a store: its token is the test's. */
const lightClient = (url: string, { userId, deviceId, accessToken }: TestUser): MatrixClient =>
  createClient({
    http: testHttp(),
    session: {
      userId,
      deviceId,
      baseUrl: url,
      authorised: (request) => request(accessToken),
      verify: () => Promise.resolve(),
    },
  });

export interface Pair {
  readonly server: Homeserver;
  /** The agent's account, and an operator's, both in `roomId`. */
  readonly device: TestUser;
  readonly operator: TestUser;
  readonly rig: Rig;
  readonly other: Pick<Rig, "client">;
  readonly roomId: string;
  /** The operator says something; gives the event ID. */
  say(body: string): Promise<string>;
  /** The same without a request each. */
  sayMany(count: number): readonly string[];
}

let said = 0;

export const pairInARoom = async (options: HomeserverOptions = {}): Promise<Pair> => {
  const server = await homeserver(options);
  const device = await server.addUser("device");
  const operator = await server.addUser("operator");
  const rig = await openRig(server.url, device);
  const other = { client: lightClient(server.url, operator) };
  const roomId = await other.client.createRoom({ invite: [device.userId] });
  await rig.client.join(roomId);
  const content = (body: string) => ({ msgtype: "m.text", body });
  return {
    server,
    device,
    operator,
    rig,
    other,
    roomId,
    say: (body) => {
      said += 1;
      return other.client.send(roomId, "m.room.message", `say${said}`, content(body));
    },
    sayMany: (count) =>
      Array.from({ length: count }, (_, index) => {
        const event = {
          roomId,
          sender: operator.userId,
          type: "m.room.message",
          content: content(`${index}`),
        };
        return server.inject(event).eventId;
      }),
  };
};

/** Which of `eventIds` were handed on, with how often. */
export const countsOf = (received: readonly Received[], eventIds: readonly string[]): readonly number[] => {
  const counts = new Map<string, number>();
  for (const { eventId } of received) counts.set(eventId, (counts.get(eventId) ?? 0) + 1);
  return eventIds.map((eventId) => counts.get(eventId) ?? 0);
};

export const onceEach = (eventIds: readonly string[]): readonly number[] => eventIds.map(() => 1);

/** Polls a condition that announces itself nowhere. */
export const eventually = async (condition: () => boolean): Promise<void> => {
  const lastAt = performance.now() + UNTIL_MS;
  while (!condition()) {
    if (performance.now() > lastAt) throw new Error(`not met in time: ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

/** The error that a call must reject with. */
export const failureOf = async (call: Promise<unknown>): Promise<MatrixError> => {
  try {
    await call;
  } catch (error) {
    if (error instanceof MatrixError) return error;
    throw error;
  }
  throw new Error("expected a MatrixError, but the call succeeded");
};
