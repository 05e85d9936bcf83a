// A person's client that encrypts: the agent's own parts put together in another way, with a store in a temporary folder. It joins every room that it is
// invited to, reads what comes, decrypted, and says what it is told to say. For the demo's operator and for tests.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { put } from "#agent/delivery/outbox.ts";
import { Sender } from "#agent/delivery/sender.ts";
import { deliveryMigrations } from "#agent/delivery/tables.ts";
import { Engine } from "#agent/encryption/engine.ts";
import { encryptionMigrations } from "#agent/encryption/tables.ts";
import { createClient } from "#agent/matrix/client.ts";
import { createHttp } from "#agent/matrix/http.ts";
import { matrixMigrations } from "#agent/matrix/migrations.ts";
import { createSync } from "#agent/matrix/sync.ts";
import type {
  JsonObject,
  MatrixClient,
  SyncBatch,
  SyncConsumer,
  TimelineEvent,
} from "#agent/matrix/types.ts";
import type { Log, Runtime } from "#agent/runtime.ts";
import { openStore } from "#agent/store/open.ts";
import { runtime as realTime } from "#test/agent/store/runtime.ts";

const quiet = (): void => undefined;

export interface EncryptedClientOptions {
  readonly url: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
  readonly password: string;
  readonly strategy?: "cross-signed" | "all";
  readonly log?: Log;
}

export interface EncryptedClient {
  readonly client: MatrixClient;
  readonly engine: Engine;
  /** Everything that could be read, in order, of all rooms. */
  readonly events: readonly TimelineEvent[];
  /** Encrypted where the room is. */
  say(roomId: string, body: string): Promise<void>;
  send(roomId: string, type: string, content: JsonObject): Promise<void>;
  /** What ended it, if anything did. */
  readonly failures: readonly unknown[];
  stop(): Promise<void>;
}

export const startEncryptedClient = async (options: EncryptedClientOptions): Promise<EncryptedClient> => {
  const { accessToken, deviceId, password, strategy = "cross-signed", url, userId } = options;
  const folder = mkdtempSync(join(tmpdir(), "petrel-client-"));
  const runtime: Runtime = { ...realTime, log: options.log ?? realTime.log };
  const store = await openStore({
    path: join(folder, "client.db"),
    key: randomBytes(32),
    migrations: [matrixMigrations, deliveryMigrations, encryptionMigrations],
    runtime,
  });
  const aborter = new AbortController();
  const { signal } = aborter;
  const http = createHttp({ timers: runtime.timers, signal });
  const session = {
    userId,
    deviceId,
    baseUrl: url,
    verify: () => Promise.resolve(),
    authorised: <T>(request: (token: string) => Promise<T>) => request(accessToken),
  };
  const client = createClient({ http, session });
  const failures: unknown[] = [];
  const fatal = (error: unknown): void => void failures.push(error);
  const engine = new Engine({
    config: { enabled: true, strategy, trusted: {} },
    client,
    store,
    runtime,
    nowMs: () => Date.now(),
    password,
    roomReady: (roomId) => sender.roomReady(roomId),
    wake: () => sender.wake(),
    fatal,
  });
  const sender: Sender = new Sender(store, client, runtime, { link: quiet, left: quiet, fatal }, engine);
  const events: TimelineEvent[] = [];
  const joining = new Set<string>();
  const joinInvited = ({ invited }: SyncBatch): void => {
    for (const roomId of invited.keys()) {
      if (joining.has(roomId)) continue;
      joining.add(roomId);
      engine.history
        .invited(roomId)
        .then(() => client.join(roomId))
        .catch(() => joining.delete(roomId));
    }
  };
  const consumer: SyncConsumer = {
    apply: quiet,
    committed: (batch) => {
      for (const room of batch.joined.values()) events.push(...room.timeline);
      joinInvited(batch);
    },
  };
  await engine.start();
  engine.deliverTo([consumer]);
  const sync = createSync({
    runtime,
    store,
    client,
    session,
    http,
    consumers: [consumer],
    opener: engine,
    signal,
  });
  const running = sync.run().catch(fatal);
  const send = async (roomId: string, type: string, content: JsonObject): Promise<void> => {
    await store.transaction((database) =>
      put(database, store.vault, runtime.random, { lane: "reply", roomId, type, content }),
    );
    sender.wake();
  };
  return {
    client,
    engine,
    events,
    failures,
    send,
    say: (roomId, body) => send(roomId, "m.room.message", { msgtype: "m.text", body }),
    stop: async () => {
      aborter.abort();
      await Promise.all([engine.stop(), sender.stop(), running]);
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
