// Entry file of the worker that restarts the WAL (DESIGN 3). It has a connection of its own, so that every sync that SQLite makes for a checkpoint, and
// for the first commit of a new WAL, happens on this thread. It lives for one restart. Imports nothing but Node: it is bundled alone and may run from a string.
//
//   worker                                              main
//   PASSIVE checkpoint (main goes on writing)
//   "ready" ------------------------------------------> transactions wait
//   RESTART or TRUNCATE checkpoint <------------- "go"
//   first commit of the new WAL (its header is synced)
//   "done" -------------------------------------------> transactions go on
//
// While the PASSIVE checkpoint copies, a second connection keeps a read mark. Without it a WAL that happens to be copied whole could be restarted by
// the main connection's next commit, and that commit would sync the new header on the main thread (sqlite3 wal.c, walRestartLog).
import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";

/** What the worker is told. */
export interface CheckpointTask {
  readonly path: string;
  /** `dev:ino` of the WAL that the main thread syncs: another file under its name would be written and never synced. */
  readonly walIdentity: string;
  readonly busyMs: number;
  readonly freePagesKept: number;
  readonly vacuumPagesMax: number;
  /** `restart`: the log keeps its length and is written over. `shrink`: it is cut first. `finish`: it is cut and stays empty, nothing comes after. */
  readonly mode: "restart" | "shrink" | "finish";
}

/** What it answers. `busy`: a reader was in the way, the WAL was not restarted. */
export type CheckpointMessage =
  | { readonly type: "ready" }
  | { readonly type: "done"; readonly busy: boolean }
  | {
      readonly type: "failed";
      readonly errcode: number | null;
      readonly code: string | null;
      readonly message: string;
    };

const numberOf = (row: Record<string, unknown> | undefined, column: string): number =>
  Number(row?.[column] ?? 0);

const checkIdentity = (task: CheckpointTask): void => {
  const { dev, ino } = statSync(`${task.path}-wal`);
  const found = `${dev}:${ino}`;
  if (found !== task.walIdentity)
    throw new Error(`${task.path}-wal: expected file ${task.walIdentity}, found ${found} under that name`);
};

const openConnection = (task: CheckpointTask): DatabaseSync => {
  const database = new DatabaseSync(task.path, { timeout: task.busyMs });
  database.exec("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;");
  return database;
};

/** Copies what is there while the main thread goes on writing. The caller closes the returned connection once nobody writes any more. */
const copyAhead = (task: CheckpointTask, database: DatabaseSync): DatabaseSync => {
  const guard = openConnection(task);
  guard.exec("BEGIN");
  guard.prepare("SELECT count(*) FROM sqlite_schema").get();
  database.exec("PRAGMA wal_checkpoint(PASSIVE)");
  return guard;
};

const vacuum = (task: CheckpointTask, database: DatabaseSync): void => {
  const free =
    numberOf(database.prepare("PRAGMA freelist_count").get(), "freelist_count") - task.freePagesKept;
  if (free <= 0) return;
  database.exec(`PRAGMA incremental_vacuum(${Math.min(free, task.vacuumPagesMax)})`);
};

/** Copies the rest and makes the first commit of the new log. False when a reader was in the way. */
const restart = (task: CheckpointTask, database: DatabaseSync): boolean => {
  vacuum(task, database);
  const kind = task.mode === "restart" ? "RESTART" : "TRUNCATE";
  const busy = numberOf(database.prepare(`PRAGMA wal_checkpoint(${kind})`).get(), "busy") !== 0;
  if (!busy && task.mode !== "finish") database.exec("UPDATE store_restarts SET count = count + 1");
  checkIdentity(task);
  return !busy;
};

const failure = (error: unknown): CheckpointMessage => {
  // Thrown values are asked for the properties that Node's errors have; each is checked before it is used.
  const fault = error as { errcode?: unknown; code?: unknown; message?: unknown } | null;
  return {
    type: "failed",
    errcode: typeof fault?.errcode === "number" ? fault.errcode : null,
    code: typeof fault?.code === "string" ? fault.code : null,
    message: String(fault?.message ?? error),
  };
};

const post = (message: CheckpointMessage): void => parentPort?.postMessage(message);

const main = (task: CheckpointTask): void => {
  const opened: DatabaseSync[] = [];
  const end = (message: CheckpointMessage): void => {
    for (const database of opened) database.close();
    post(message);
  };
  const guarded = (step: () => void): void => {
    try {
      step();
    } catch (error) {
      end(failure(error));
    }
  };
  guarded(() => {
    checkIdentity(task);
    const database = openConnection(task);
    opened.push(database);
    const guard = copyAhead(task, database);
    parentPort?.once("message", () =>
      guarded(() => {
        guard.close();
        end({ type: "done", busy: !restart(task, database) });
      }),
    );
    post({ type: "ready" });
  });
};

// Only checkpoint.ts starts this file, with a CheckpointTask.
main(workerData as CheckpointTask);
