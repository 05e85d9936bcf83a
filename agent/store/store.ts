// The store as the rest of the agent sees it (DESIGN 3): one connection, one writer, two verbs. How it keeps its promises stands in README.md.

/** What SQLite takes and gives. Integers come back as numbers: nothing of ours exceeds 2^53-1. */
export type SqlValue = null | number | bigint | string | Uint8Array;
export type Row = Readonly<Record<string, SqlValue>>;

/** A prepared statement, cached by its text. Rows are checked by their readers: a column that is not what its table says is a broken store. */
export interface Statement {
  run(...values: readonly SqlValue[]): { readonly changes: number; readonly lastInsertRowid: number };
  get(...values: readonly SqlValue[]): Row | null;
  all(...values: readonly SqlValue[]): Row[];
  iterate(...values: readonly SqlValue[]): Iterable<Row>;
}

/** The database inside a transaction or a read. Valid only until the callback returns. */
export interface Database {
  prepare(sql: string): Statement;
  exec(sql: string): void;
}

export interface Store {
  /** Runs `work` in one IMMEDIATE transaction and resolves with its result once committed; a throw rolls back and rejects. `work` is synchronous. Waits its turn while the WAL is restarted. */
  transaction<T>(work: (database: Database) => T): Promise<T>;
  /** Resolves when every transaction that was committed before this call is on the disk. What the outside can see comes after it. Rejects for good after a failed sync. */
  durable(): Promise<void>;
  /** Reads, outside any transaction of others. */
  read<T>(work: (database: Database) => T): T;
  /** Aborted when the store can no longer be trusted (a failed sync or write): the process says so and stops. `reason` is a `StoreError`. */
  readonly failed: AbortSignal;
  /** Seals and opens with the store key; `context` names the place ("session/access_token"): what was sealed for one place does not open in another. */
  readonly vault: Vault;
  /** Waits for what is queued, syncs, makes a last checkpoint, lets go of the lock. */
  close(): Promise<void>;
}

export interface Vault {
  seal(context: string, plaintext: Uint8Array): Uint8Array;
  /** Throws a `StoreError` SEAL when the key is another, the context is another, or a bit has changed. */
  open(context: string, sealed: Uint8Array): Uint8Array;
}

/** The tables of one module. Steps are never edited once released, only added: step n brings the module's tables from version n to n+1. */
export interface Migrations {
  readonly module: string;
  readonly steps: readonly string[];
}

export type StoreErrorCode =
  | "LOCKED" // another process holds the store
  | "BROKEN" // not a database, not ours, or its integrity check failed: set aside and named
  | "NEWER" // written by a newer Petrel
  | "FULL" // no space left
  | "READ_ONLY"
  | "SYNC" // a sync or write failed: nothing after it can be trusted
  | "BUSY" // too many transactions wait already
  | "SEAL"
  | "KEY" // the store key is missing, malformed, or not this store's
  | "CLOSED";

export class StoreError extends Error {
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
    this.code = code;
  }
}
