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

interface State {
  readonly entries: Entry[];
  paused: boolean;
  /** A drain is on its way. */
  scheduled: boolean;
  /** Batches since the loop's last turn. */
  sinceTurn: number;
  /** Why nothing more is taken. */
  refusal: StoreError | null;
  emptied: (() => void) | null;
}

const drain = (state: State, options: TransactionQueueOptions): void => {
  state.scheduled = false;
  const untilMs = options.monoMs() + SLICE_MS;
  try {
    while (state.entries.length > 0 && !state.paused && options.monoMs() < untilMs) {
      state.sinceTurn += 1;
      runBatch(options, state.entries, untilMs);
    }
  } catch (error) {
    options.onFailure(asStoreError(error, "transaction"));
  }
  if (state.entries.length > 0) schedule(state, options, true);
  else state.emptied?.();
};

const schedule = (state: State, options: TransactionQueueOptions, later: boolean): void => {
  if (state.scheduled || state.paused) return;
  state.scheduled = true;
  if (later || state.sinceTurn >= TURN_MAX)
    options.timers.after(0, () => {
      state.sinceTurn = 0;
      drain(state, options);
    });
  else queueMicrotask(() => drain(state, options));
};

const add = <T>(
  state: State,
  options: TransactionQueueOptions,
  work: (database: Database) => T,
): Promise<T> => {
  if (state.refusal !== null) return Promise.reject(state.refusal);
  if (state.entries.length >= QUEUE_MAX) {
    const message = `store: ${QUEUE_MAX} transactions wait already; try again later`;
    return Promise.reject(new StoreError("BUSY", message));
  }
  return new Promise((resolve, reject) => {
    state.entries.push(createEntry(work, resolve, reject));
    schedule(state, options, false);
  });
};

export const createTransactionQueue = (options: TransactionQueueOptions): TransactionQueue => {
  const state: State = {
    entries: [],
    paused: false,
    scheduled: false,
    sinceTurn: 0,
    refusal: null,
    emptied: null,
  };
  return {
    add: (work) => add(state, options, work),
    pause: () => {
      state.paused = true;
    },
    resume: () => {
      state.paused = false;
      if (state.entries.length > 0) schedule(state, options, true);
    },
    turned: () => {
      state.sinceTurn = 0;
    },
    fail: (error) => {
      state.refusal = error;
      for (const entry of state.entries.splice(0)) entry.reject(error);
      state.emptied?.();
    },
    end: () => {
      state.refusal ??= new StoreError("CLOSED", "store: it is closed");
      if (state.entries.length === 0) return Promise.resolve();
      return new Promise((resolve) => {
        state.emptied = resolve;
      });
    },
  };
};
