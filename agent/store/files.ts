// What the store does to files and folders outside SQLite: make, rename, sync. A file's name is on the disk only once its folder was synced (fsync(2)).
//
// Invariant: the database and its -shm are never opened here. Closing such a handle would drop the POSIX locks that SQLite holds on them.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";

export const syncFolder = (folder: string): void => {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
};

/** Makes the folder and what is missing above it, readable by its owner only, each name synced. */
export const ensureFolder = (folder: string): void => {
  if (existsSync(folder)) return;
  const parent = dirname(folder);
  ensureFolder(parent);
  mkdirSync(folder, { mode: 0o700 });
  syncFolder(parent);
};

/** An empty file, 0600: SQLite takes it for a new database and gives -wal and -shm the same mode. */
export const makeEmptyFile = (path: string): void => {
  closeSync(openSync(path, "wx", 0o600));
};

/** A renamed file keeps its bytes under a name that says when it was taken out of use. SQLite's own companions follow their database. */
export const setAside = (path: string, wallMs: number): string[] => {
  const stamp = new Date(wallMs).toISOString().replace(/[:.]/g, "-");
  const base = `${path}.broken-${stamp}`;
  const free = (attempt: number): string => {
    const name = attempt === 0 ? base : `${base}-${attempt}`;
    return existsSync(name) ? free(attempt + 1) : name;
  };
  const target = free(0);
  const moved = ["", "-wal", "-journal"].filter((suffix) => existsSync(path + suffix));
  for (const suffix of moved) renameSync(path + suffix, target + suffix);
  rmSync(`${path}-shm`, { force: true });
  syncFolder(dirname(path));
  return moved.map((suffix) => target + suffix);
};
