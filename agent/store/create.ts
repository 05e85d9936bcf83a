// A new database is made under another name and renamed once it is whole and on the disk: a file under the store's own name that is empty, cut short
// or without our tables was damaged, it is never the rest of a start that was interrupted.
import { existsSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeEmptyFile, setAside, syncFolder } from "./files.ts";
import { CREATION } from "./migrate.ts";
import { StoreError } from "./store.ts";

const removeUnfinished = (path: string): void => {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(path + suffix, { force: true });
};

const fill = (path: string, keyCheck: Uint8Array): void => {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA synchronous = FULL");
    database.exec(CREATION);
    database.prepare("INSERT INTO store_key VALUES (?)").run(keyCheck);
    const busy = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.["busy"];
    if (busy !== 0) throw new StoreError("LOCKED", `store ${path}: another process reads the new database`);
  } finally {
    database.close();
  }
};

/** Makes the database if there is none. A log without its database is set aside first: SQLite would take it for the new one's. */
export const createIfMissing = (path: string, keyCheck: Uint8Array, wallMs: number): void => {
  if (existsSync(path)) return;
  if (existsSync(`${path}-wal`) || existsSync(`${path}-journal`)) {
    const names = setAside(path, wallMs).join(", ");
    throw new StoreError(
      "BROKEN",
      `store ${path}: expected a database, found only its log. It was set aside as ${names}; the next start begins with an empty store`,
    );
  }
  const unfinished = `${path}.new`;
  removeUnfinished(unfinished);
  makeEmptyFile(unfinished);
  fill(unfinished, keyCheck);
  renameSync(unfinished, path);
  syncFolder(dirname(path));
};
