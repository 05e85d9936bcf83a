// The process that the store's tests kill, slow down, trace and starve. Its task comes as JSON in the first argument; it speaks in lines on stdout.
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { openStore } from "#agent/store/open.ts";
import { DEFAULT_POLICY } from "#agent/store/policy.ts";
import { type Store, StoreError } from "#agent/store/store.ts";
import { optionsFor } from "./runtime.ts";

export interface ChildTask {
  readonly path: string;
  /**
   * hold: open and stay. produce: rows from `sources` sources, each waiting until its row is durable. stream: rows that nobody waits for.
   * stall: the main thread stands still while the worker copies, and commits before it hears that the worker is ready.
   * unsynced: commits a hundred rows, waits for no sync, and stays. reread: opens, acknowledges every row that it finds, and stays.
   */
  readonly scenario: "hold" | "produce" | "stream" | "stall" | "unsynced" | "reread";
  readonly rowBytes?: number;
  readonly sources?: number;
  readonly firstId?: number;
  /** The WAL is restarted at this size. */
  readonly forcedBytes?: number;
  /** Ends after so many restarts of the WAL; without it, only by a failure or a kill. */
  readonly restarts?: number;
  /** Written once the store is open: arms the shim. */
  readonly armFile?: string;
  /** Made once the store is open: a mark in a trace. */
  readonly markFolder?: string;
  /** Acknowledgements go there too, so that the shim's log has them in order with writes and syncs. */
  readonly ackFile?: string;
}

/** Blocking, so that what was said before a kill was said. The pipe is shared with a reader that made it non-blocking: a full one is tried again. */
const say = (line: string): void => {
  try {
    writeSync(1, `${line}\n`);
  } catch (error) {
    // A Node error of the file system has a code; anything else compares unequal.
    if ((error as { code?: unknown }).code !== "EAGAIN") throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    say(line);
  }
};

const codeOf = (error: unknown): string => (error instanceof StoreError ? error.code : String(error));

const restartsOf = (store: Store): number =>
  store.read((database) => Number(database.prepare("SELECT count FROM store_restarts").get()?.["count"]));

const insert = (store: Store, id: number, bytes = 100): Promise<void> =>
  store.transaction((database) => {
    database.prepare("INSERT INTO rows VALUES (?, ?)").run(id, `${id} `.padEnd(bytes, "x"));
  });

const produce = async (task: ChildTask, store: Store): Promise<void> => {
  const until = restartsOf(store) + (task.restarts ?? Number.POSITIVE_INFINITY);
  const acks = task.ackFile === undefined ? null : openSync(task.ackFile, "a");
  let next = task.firstId ?? 1;
  const source = async (): Promise<void> => {
    while (restartsOf(store) < until) {
      const id = next;
      next += 1;
      await insert(store, id, task.rowBytes);
      await store.durable();
      if (acks !== null) writeSync(acks, `${id}\n`);
      say(`ack ${id}`);
    }
  };
  await Promise.all(Array.from({ length: task.sources ?? 1 }, source));
  if (acks !== null) closeSync(acks);
};

/** 92,160 bytes a second in rows of 100 bytes, whatever the disk does; says the longest delay of the loop and how many rows were refused. */
const stream = async (task: ChildTask, store: Store): Promise<void> => {
  const until = restartsOf(store) + (task.restarts ?? 1);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  let sent = 0;
  let refused = 0;
  while (restartsOf(store) < until) {
    for (const due = ((performance.now() - start) * 92_160) / 100_000; sent < due; sent += 1)
      insert(store, sent + 1).catch(() => (refused += 1));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await store.durable();
  delay.disable();
  say(`delay ${Math.round(delay.max / 1e6)} sent ${sent} refused ${refused}`);
};

const standStill = (ms: number): void =>
  void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const STALL_MS = 400;

/** Fills the WAL until a restart begins, stands still until the worker has copied all of it, and commits in the same turn. */
const stall = async (task: ChildTask, store: Store): Promise<void> => {
  const until = restartsOf(store) + (task.restarts ?? 1);
  for (let id = 1; restartsOf(store) < until; id += 2) {
    await insert(store, id, task.forcedBytes);
    await store.durable();
    standStill(STALL_MS);
    await insert(store, id + 1);
  }
};

/** After a failure nothing may be called durable any more: says so if it is. */
const probeFailed = async (store: Store): Promise<void> => {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const outcome = await insert(store, -1 - attempt)
      .then(() => store.durable())
      .then(() => "durable")
      .catch(codeOf);
    say(`after ${outcome}`);
    say(`durable ${await store.durable().then(() => "durable", codeOf)}`);
  }
};

const hold = (): Promise<void> => new Promise(() => void setInterval(() => undefined, 1_000));

const unsynced = async (_task: ChildTask, store: Store): Promise<void> => {
  for (let id = 1; id <= 100; id += 1) await insert(store, id);
  say("written");
  await hold();
};

const reread = async (task: ChildTask, store: Store): Promise<void> => {
  const rows = store.read((database) => database.prepare("SELECT id FROM rows").all());
  const acks = openSync(task.ackFile ?? "/dev/null", "a");
  for (const row of rows) writeSync(acks, `${Number(row["id"])}\n`);
  closeSync(acks);
  say("written");
  await hold();
};

const SCENARIOS = { hold, produce, stream, stall, unsynced, reread } as const;

const run = async (task: ChildTask): Promise<void> => {
  const forcedBytes = task.forcedBytes ?? DEFAULT_POLICY.forcedBytes;
  const store = await openStore(optionsFor(task.path, { policy: { ...DEFAULT_POLICY, forcedBytes } }));
  if (task.armFile !== undefined) writeFileSync(task.armFile, "");
  if (task.markFolder !== undefined) mkdirSync(task.markFolder);
  say("open");
  try {
    await SCENARIOS[task.scenario](task, store);
    await store.close();
    say("closed");
  } catch (error) {
    if (!store.failed.aborted) say(`unexpected ${String(error)}`);
  }
  if (store.failed.aborted) {
    say(`failed ${codeOf(store.failed.reason)}`);
    await probeFailed(store);
    // As main does: without closing, which would copy a log that can no longer be trusted.
    process.exit(3);
  }
};

if (import.meta.main)
  // Only the tests of this folder start this file, with a ChildTask.
  await run(JSON.parse(process.argv[2] ?? "") as ChildTask).catch((error: unknown) => {
    say(`refused ${codeOf(error)} ${String(error)}`);
    process.exitCode = 4;
  });
