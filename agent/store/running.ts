// The open store: queue, group sync and restarts of the WAL put together. One rule runs through it: the first failure ends all three, for good.
import type { Runtime } from "../runtime.ts";
import type { WorkerSource } from "./checkpoint.ts";
import type { Connection } from "./connection.ts";
import { asStoreError } from "./errors.ts";
import type { Failure } from "./failure.ts";
import type { Lock } from "./lock.ts";
import type { CheckpointPolicy } from "./policy.ts";
import { createRestarts, type Restarts } from "./restart.ts";
import { type Database, type Store, StoreError, type Vault } from "./store.ts";
import { createGroupSync, type GroupSync } from "./sync.ts";
import { createTransactionQueue, type TransactionQueue } from "./transactions.ts";
import type { Wal } from "./wal.ts";

export interface RunningOptions {
  readonly path: string;
  readonly connection: Connection;
  readonly lock: Lock;
  readonly vault: Vault;
  readonly runtime: Runtime;
  readonly wal: Wal;
  readonly source: WorkerSource;
  readonly policy: CheckpointPolicy;
  /** Where the connection's fatal errors arrive. */
  readonly failure: Failure;
}

interface Parts {
  readonly queue: TransactionQueue;
  readonly sync: GroupSync;
  readonly restarts: Restarts;
}

/**
 * Connections of failed stores. Closing the last connection makes SQLite copy the log into the database, and after a failed sync the log's pages may be
 * gone: so they are never closed, and held here so that no finaliser does it either. The process ends soon, by process.exit (which closes nothing).
 */
const abandoned = new Set<Connection>();

const connectParts = (options: RunningOptions): Parts => {
  const { connection, failure, path, runtime, wal } = options;
  // The three know each other: a commit tells the sync and the restarts, a sync tells the restarts, a restart pauses the queue.
  const sync = createGroupSync({
    wal,
    onFailure: failure.fail,
    onStarted: () => restarts.look(),
    onSynced: () => queue.turned(),
  });
  const queue = createTransactionQueue({
    connection,
    timers: runtime.timers,
    monoMs: () => runtime.clock.monoMs(),
    onCommitted: () => {
      sync.committed();
      restarts.committed();
    },
    onFailure: failure.fail,
    failure: () => failure.error,
  });
  const restarts: Restarts = createRestarts({
    run: { path, source: options.source },
    policy: options.policy,
    clock: runtime.clock,
    timers: runtime.timers,
    failure,
    queue,
    sync,
    wal,
  });
  return { queue, sync, restarts };
};

const closeParts = async (options: RunningOptions, { queue, sync, restarts }: Parts): Promise<void> => {
  const { connection, failure } = options;
  const failedBefore = failure.error !== null;
  await queue.end();
  await restarts.finish().catch((error: unknown) => failure.fail(asStoreError(error, "last checkpoint")));
  await sync.idle();
  options.wal.close();
  if (failure.error !== null) {
    abandoned.add(connection);
    if (!failedBefore) throw failure.error;
    return;
  }
  connection.close();
  options.lock.release();
};

const createRead =
  ({ connection, failure }: RunningOptions, isClosed: () => boolean): Store["read"] =>
  <T>(work: (database: Database) => T): T => {
    if (failure.error !== null) throw failure.error;
    if (isClosed()) throw new StoreError("CLOSED", "store: it is closed");
    if (connection.mode === "write")
      throw new TypeError("read() inside a transaction: use the database that the transaction was given");
    return connection.read(work);
  };

/** The store of an opened and settled database. */
export const createStore = (options: RunningOptions): Store => {
  const { failure } = options;
  const parts = connectParts(options);
  failure.signal.addEventListener("abort", () => {
    if (failure.error === null) return;
    parts.queue.fail(failure.error);
    parts.sync.fail(failure.error);
  });
  let closing: Promise<void> | null = null;
  return {
    transaction: parts.queue.add,
    durable: parts.sync.durable,
    read: createRead(options, () => closing !== null),
    failed: failure.signal,
    vault: options.vault,
    close: () => {
      closing ??= closeParts(options, parts);
      return closing;
    },
  };
};
