// The queue of transactions. Each `work` is a transaction of its own for its caller; those that were asked for in the same turn are committed together
// (one BEGIN and COMMIT, a savepoint each), because a commit costs whole pages of the WAL however small the row is.
//
//   transaction(work) --> queue --microtask--> [ BEGIN, work, SAVEPOINT work RELEASE ..., COMMIT ] --> promises settle
//                           ^ paused while the worker restarts the WAL
//
// A throw rolls back to its own savepoint; the others of the batch are committed. A failed COMMIT rejects all of them.
import type { Timers } from "#drivers/driver.ts";
import type { Connection } from "./connection.ts";
import { asStoreError } from "./errors.ts";
import { BATCH_MAX, QUEUE_MAX, SLICE_MS, TURN_MAX } from "./limits.ts";
import { type Database, StoreError } from "./store.ts";

export interface TransactionQueue {
  add<T>(work: (database: Database) => T): Promise<T>;
  /** No transaction begins after this until `resume`. None is ever open when it returns: transactions are synchronous. */
  pause(): void;
  resume(): void;
  /** The event loop has turned: callbacks may again run a whole share of transactions without giving it one. */
  turned(): void;
  /** Rejects what waits and all that comes. */
  fail(error: StoreError): void;
  /** Refuses what comes from now on; what waits is still run. Resolves when the queue is empty. */
  end(): Promise<void>;
}

export interface TransactionQueueOptions {
  readonly connection: Connection;
  readonly timers: Timers;
  readonly monoMs: () => number;
  /** After each COMMIT. */
  readonly onCommitted: () => void;
  readonly onFailure: (error: StoreError) => void;
  /** What ended the store, or null: a batch in which that happens is not committed. */
  readonly failure: () => StoreError | null;
}

interface Entry {
  readonly run: (database: Database) => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What became of one entry inside its batch. */
type Outcome = { readonly entry: Entry; readonly error: unknown; readonly failed: boolean };

const ENDED =
  "transaction: expected the callback to leave the transaction open, but it was ended (COMMIT, ROLLBACK or a conflict clause that rolls back)";

const runEntry = (connection: Connection, entry: Entry, nested: boolean): Outcome => {
  if (nested) connection.command("SAVEPOINT entry");
  try {
    connection.write(entry.run);
    if (!connection.inTransaction) throw new TypeError(ENDED);
    if (nested) connection.command("RELEASE entry");
    return { entry, error: null, failed: false };
  } catch (error) {
    if (!connection.inTransaction) throw error;
    connection.command(nested ? "ROLLBACK TO entry" : "ROLLBACK");
    if (nested) connection.command("RELEASE entry");
    return { entry, error, failed: true };
  }
};

const settle = ({ entry, error, failed }: Outcome): void => {
  if (failed) entry.reject(error);
  else entry.resolve();
};

/** Runs entries from the front of `queue` in one transaction, until the batch is full or `untilMs` has come. Settles them; returns whether anything was committed. */
const runBatch = (options: TransactionQueueOptions, queue: Entry[], untilMs: number): boolean => {
  const { connection } = options;
  const outcomes: Outcome[] = [];
  const taken: Entry[] = [];
  try {
    do {
      const entry = queue.shift();
      if (entry === undefined) break;
      taken.push(entry);
      const begun = connection.inTransaction;
      if (!begun) connection.command("BEGIN IMMEDIATE");
      outcomes.push(runEntry(connection, entry, begun));
      const failure = options.failure();
      if (failure !== null) throw failure;
    } while (taken.length < BATCH_MAX && options.monoMs() < untilMs);
    const open = connection.inTransaction;
    if (open) {
      connection.command("COMMIT");
      options.onCommitted();
    }
    for (const outcome of outcomes) settle(outcome);
    return open;
  } catch (error) {
    // BEGIN or COMMIT did not work, or a callback ended the transaction: nothing of the batch was kept.
    if (connection.inTransaction) connection.command("ROLLBACK");
    for (const entry of taken) entry.reject(error);
    return false;
  }
};

const createEntry = <T>(
  work: (database: Database) => T,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): Entry => {
  // Set by `run` before `resolve` is called: the queue resolves only what ran without a throw.
  let result: { readonly value: T } | null = null;
  return {
    run: (database) => {
      result = { value: work(database) };
    },
    resolve: () => {
      if (result !== null) resolve(result.value);
    },
    reject,
  };
};

export const createTransactionQueue = (options: TransactionQueueOptions): TransactionQueue => {
  const queue: Entry[] = [];
  let paused = false;
  let scheduled = false;
  let sinceTurn = 0;
  let refusal: StoreError | null = null;
  let emptied: (() => void) | null = null;

  const drain = (): void => {
    scheduled = false;
    const untilMs = options.monoMs() + SLICE_MS;
    try {
      while (queue.length > 0 && !paused && options.monoMs() < untilMs) {
        sinceTurn += 1;
        runBatch(options, queue, untilMs);
      }
    } catch (error) {
      options.onFailure(asStoreError(error, "transaction"));
    }
    if (queue.length > 0) schedule(true);
    else emptied?.();
  };
  const nextTurn = (): void => {
    sinceTurn = 0;
    drain();
  };
  const schedule = (later: boolean): void => {
    if (scheduled || paused) return;
    scheduled = true;
    if (later || sinceTurn >= TURN_MAX) options.timers.after(0, nextTurn);
    else queueMicrotask(drain);
  };
  return {
    add: (work) => {
      if (refusal !== null) return Promise.reject(refusal);
      if (queue.length >= QUEUE_MAX)
        return Promise.reject(
          new StoreError("BUSY", `store: ${QUEUE_MAX} transactions wait already; try again later`),
        );
      return new Promise((resolve, reject) => {
        queue.push(createEntry(work, resolve, reject));
        schedule(false);
      });
    },
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
      if (queue.length > 0) schedule(true);
    },
    turned: () => {
      sinceTurn = 0;
    },
    fail: (error) => {
      refusal = error;
      for (const entry of queue.splice(0)) entry.reject(error);
      emptied?.();
    },
    end: () => {
      refusal ??= new StoreError("CLOSED", "store: it is closed");
      return queue.length === 0 ? Promise.resolve() : new Promise((resolve) => (emptied = resolve));
    },
  };
};
