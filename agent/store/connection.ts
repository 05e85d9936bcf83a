// One SQLite connection behind the types of store.ts: statements cached by their text, rows as plain values, and a guard that nothing is used
// outside the callback it was handed to. Which errors end the store is decided here too, at the one place where all of them pass.
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { isFatal, toStoreError } from "./errors.ts";
import { STATEMENTS_MAX } from "./limits.ts";
import type { Database, Row, SqlValue, Statement, StoreError } from "./store.ts";

/** What runs on the connection at the moment. */
type Mode = "idle" | "read" | "write";

export interface Connection {
  /** Runs `work` with the database open for reading. */
  read<T>(work: (database: Database) => T): T;
  /** Runs `work` with the database open for writing. Begins and commits nothing. */
  write<T>(work: (database: Database) => T): T;
  /** SQL of the store's own (BEGIN, PRAGMA), prepared once. */
  command(sql: string): void;
  /** The same with an answer: the first column of the first row, or null. */
  ask(sql: string): SqlValue;
  readonly mode: Mode;
  readonly inTransaction: boolean;
  close(): void;
}

const READS = /^\s*(?:SELECT|VALUES|WITH)\b/i;
const WRITES = /\b(?:INSERT|UPDATE|DELETE|REPLACE)\b/i;

/** True for a statement that cannot change anything: `read` takes no other. A WITH that names a writing verb anywhere counts as writing. */
const isReader = (sql: string): boolean => READS.test(sql) && !(/^\s*WITH\b/i.test(sql) && WRITES.test(sql));

interface State {
  mode: Mode;
  readonly iterators: Set<Iterator<Row>>;
}

type Run = <T>(action: () => T) => T;

// node:sqlite's rows are objects without a prototype that hold exactly what SqlValue lists (its SQLOutputValue).
const asRow = (row: unknown): Row => row as Row;

const checkUse = (state: State, sql: string, reader: boolean): void => {
  if (state.mode === "idle") throw new TypeError(`statement used outside its callback: ${sql}`);
  if (state.mode === "read" && !reader)
    throw new TypeError(`read() takes statements that only read, found: ${sql}`);
};

function* rowsOf(source: Iterator<unknown>, run: Run): Generator<Row> {
  try {
    for (let next = run(() => source.next()); next.done !== true; next = run(() => source.next()))
      yield asRow(next.value);
  } finally {
    // Resets the statement: one left in the middle would keep its read mark, and the WAL could not be restarted.
    source.return?.();
  }
}

const createStatement = (raw: StatementSync, sql: string, state: State, run: Run): Statement => {
  const reader = isReader(sql);
  const use = <T>(action: () => T): T => {
    checkUse(state, sql, reader);
    return run(action);
  };
  // node:sqlite takes what SqlValue lists as it is; its type asks for a Uint8Array over an ArrayBuffer, its code for any view.
  const inputs = (values: readonly SqlValue[]): SQLInputValue[] => values as SQLInputValue[];
  return {
    run: (...values) =>
      use(() => {
        const { changes, lastInsertRowid } = raw.run(...inputs(values));
        return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) };
      }),
    get: (...values) =>
      use(() => {
        const row: unknown = raw.get(...inputs(values));
        return row === undefined ? null : asRow(row);
      }),
    all: (...values) => use(() => raw.all(...inputs(values)).map(asRow)),
    iterate: (...values) => {
      const rows = use(() => rowsOf(raw.iterate(...inputs(values)), run));
      state.iterators.add(rows);
      return rows;
    },
  };
};

/** Least recently used first: a Map keeps the order of insertion, and a hit is inserted again. */
const createCache = (limit: number, make: (sql: string) => Statement): ((sql: string) => Statement) => {
  const known = new Map<string, Statement>();
  return (sql) => {
    const hit = known.get(sql);
    if (hit !== undefined) {
      if (known.size > limit / 2) {
        known.delete(sql);
        known.set(sql, hit);
      }
      return hit;
    }
    const made = make(sql);
    known.set(sql, made);
    const oldest = known.size > limit ? known.keys().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
    return made;
  };
};

const createRun =
  (what: string, onFatal: (error: StoreError) => void): Run =>
  (action) => {
    try {
      return action();
    } catch (error) {
      const found = toStoreError(error, what);
      if (found === null) throw error;
      if (isFatal(found)) onFatal(found);
      throw found;
    }
  };

/** Ends what the callback left open: iterators that were not read to their end. */
const settle = (state: State, before: Mode): void => {
  state.mode = before;
  if (state.iterators.size === 0) return;
  for (const iterator of state.iterators) iterator.return?.();
  state.iterators.clear();
};

const createSession =
  (state: State, mode: Mode, database: Database) =>
  <T>(work: (database: Database) => T): T => {
    const before = state.mode;
    state.mode = mode;
    try {
      return work(database);
    } finally {
      settle(state, before);
    }
  };

/** Opens the database at `path`. `onFatal` hears of every error after which the store cannot go on, also when the callback swallows it. */
export const openConnection = (path: string, onFatal: (error: StoreError) => void): Connection => {
  const run = createRun(`store ${path}`, onFatal);
  const raw = run(() => new DatabaseSync(path, { timeout: 0 }));
  const state: State = { mode: "idle", iterators: new Set() };
  const prepare = createCache(STATEMENTS_MAX, (sql) =>
    createStatement(
      run(() => raw.prepare(sql)),
      sql,
      state,
      run,
    ),
  );
  const commands = new Map<string, StatementSync>();
  const command = (sql: string): StatementSync => {
    const found = commands.get(sql) ?? raw.prepare(sql);
    commands.set(sql, found);
    return found;
  };
  const database: Database = {
    prepare,
    exec: (sql) => {
      checkUse(state, sql, false);
      run(() => raw.exec(sql));
    },
  };
  return {
    read: createSession(state, "read", database),
    write: createSession(state, "write", database),
    command: (sql) => run(() => void command(sql).run()),
    ask: (sql) => run(() => Object.values(asRow(command(sql).get() ?? {}))[0] ?? null),
    get mode() {
      return state.mode;
    },
    get inTransaction() {
      return raw.isTransaction;
    },
    close: () => raw.close(),
  };
};
