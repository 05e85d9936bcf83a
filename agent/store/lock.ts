// One writer (DESIGN 3): an exclusive transaction on a small SQLite file of its own. The kernel drops the lock with the process, so nothing is left
// behind by a kill, and a pid that another process has by now can lie to nobody. The holder's file is information for the operator only.
//
// Invariant: nothing in the process opens the lock file but SQLite. Closing any other handle on it would drop the lock (fcntl(2), "Record locking").
import { readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { asStoreError } from "./errors.ts";
import { StoreError } from "./store.ts";

export interface Lock {
  release(): void;
}

const holderOf = (path: string): string => {
  try {
    return readFileSync(path, "utf8").trim().slice(0, 100) || "unknown";
  } catch {
    return "unknown";
  }
};

const writeHolder = (path: string, holder: string): void => {
  writeFileSync(path, `${holder}\n`, { mode: 0o600 });
};

/** Takes the lock that belongs to the store at `storePath`, or throws a StoreError LOCKED that names who has it. `holder` describes this process ("pid 4711"). */
export const takeLock = (storePath: string, holder: string): Lock => {
  const holderPath = `${storePath}.holder`;
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(`${storePath}.lock`, { timeout: 0 });
    // The transaction is never committed: with its journal in memory it leaves an empty file, whatever ends the process.
    database.exec("PRAGMA journal_mode = MEMORY");
    database.exec("BEGIN EXCLUSIVE");
    writeHolder(holderPath, holder);
  } catch (error) {
    database?.close();
    const found = asStoreError(error, `lock of the store ${storePath}`);
    if (found.code !== "LOCKED") throw found;
    const message = `store ${storePath}: expected to be its only user, but another process holds it (${holderOf(holderPath)}); stop it, or ask it through its control socket`;
    throw new StoreError("LOCKED", message, { cause: error });
  }
  const held = database;
  return { release: () => held.close() };
};
