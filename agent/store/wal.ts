// The write-ahead log as a file: the descriptor that the group sync uses, whether it still has its name, and how much of it is in use.
// Format: https://www.sqlite.org/fileformat2.html#walformat
//
//   0        32                       32 + 24 + page
//   | header | frame: 24 bytes, page  | frame ... | frames of an earlier use, with another salt ...
//     salt at 16       salt at 8
//
// A restarted log is written over from its beginning and keeps its length: overwriting costs a sync half of what growing does (no file system journal),
// on the card too. So its length says nothing; the salt does: frames in use carry the header's, and they are the first ones.
//
// Opening it beside SQLite is safe: the -wal carries no POSIX locks. Nothing here writes.
import { closeSync, fdatasyncSync, fstatSync, openSync, readSync } from "node:fs";
import { StoreError } from "./store.ts";

const HEADER_BYTES = 32;
const HEADER_SALT = 16;
const FRAME_HEADER_BYTES = 24;
const FRAME_SALT = 8;
const SALT_BYTES = 8;

export interface Wal {
  readonly path: string;
  readonly descriptor: number;
  /** `dev:ino`: which file it is. */
  readonly identity: string;
  /** Bytes in use. */
  used(): number;
  /** Bytes on the disk, used or not. */
  length(): number;
  /** Throws a StoreError SYNC when its name is gone: what is synced there survives no restart. */
  checkNamed(): void;
  close(): void;
}

/** Counts the frames in use, from where it left off: a few reads of 8 bytes out of the page cache. */
const createFrameCounter = (descriptor: number, frameBytes: number): (() => number) => {
  let salt = Buffer.alloc(SALT_BYTES);
  let found = Buffer.alloc(SALT_BYTES);
  let frames = 0;
  const saltAt = (offset: number): boolean =>
    readSync(descriptor, found, 0, SALT_BYTES, offset) === SALT_BYTES;
  const inUse = (frame: number): boolean =>
    saltAt(HEADER_BYTES + frame * frameBytes + FRAME_SALT) && found.equals(salt);
  const follow = (): void => {
    if (!saltAt(HEADER_SALT) || found.equals(salt)) return;
    [salt, found] = [found, salt];
    frames = 0;
  };
  return () => {
    follow();
    let step = 1;
    while (inUse(frames + step - 1)) {
      frames += step;
      step *= 2;
    }
    // The first frame not in use lies less than `step` ahead.
    for (step = Math.floor(step / 2); step >= 1; step = Math.floor(step / 2))
      if (inUse(frames + step - 1)) frames += step;
    return frames;
  };
};

/** Opens the log of the database at `databasePath`, which must exist, and syncs it once. */
export const openWal = (databasePath: string, pageBytes: number): Wal => {
  const path = `${databasePath}-wal`;
  const descriptor = openSync(path, "r");
  fdatasyncSync(descriptor);
  const { dev, ino } = fstatSync(descriptor);
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  const frames = createFrameCounter(descriptor, frameBytes);
  return {
    path,
    descriptor,
    identity: `${dev}:${ino}`,
    used: () => HEADER_BYTES + frames() * frameBytes,
    length: () => fstatSync(descriptor).size,
    checkNamed: () => {
      if (fstatSync(descriptor).nlink > 0) return;
      throw new StoreError(
        "SYNC",
        `${path}: expected the write-ahead log to have a name, but it was deleted; nothing written since is safe, start again`,
      );
    },
    close: () => closeSync(descriptor),
  };
};
