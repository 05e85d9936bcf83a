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
// For the same reason a log that is still growing is made longer ahead of its use, with zeros: no frame has a salt or a page number of zero, so neither
// SQLite nor we take them for one. Only from the main thread, between transactions and while no worker runs: then nobody else writes to it.
//
// Opening it beside SQLite is safe: the -wal carries no POSIX locks.
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readlinkSync,
  readSync,
  writeSync,
} from "node:fs";
import { WAL_AHEAD_BYTES } from "./limits.ts";
import { StoreError } from "./store.ts";

const HEADER_BYTES = 32;
const HEADER_SALT = 16;
const FRAME_HEADER_BYTES = 24;
const FRAME_SALT = 8;
const SALT_BYTES = 8;
// Reads of its use must not change its access time: that too would go through the file system's journal. (O_NOATIME is Linux's, elsewhere undefined.)
const FLAGS: number = constants.O_RDWR | (constants.O_NOATIME ?? 0);
/** A page at a time: of one large write the kernel makes one large piece of its cache, and counts all of it as written anew for each frame in it. */
const ZEROS: Uint8Array = new Uint8Array(4096);

export interface Wal {
  readonly path: string;
  readonly descriptor: number;
  /** `dev:ino`: which file it is. */
  readonly identity: string;
  /** Bytes in use. */
  used(): number;
  /** Bytes on the disk, used or not. To be asked anew after a restart, which may have cut it. */
  length(): number;
  /** Makes it longer, up to `limitBytes`, when less than half a step of it is unused. Not while a transaction or a worker may write. */
  extend(usedBytes: number, limitBytes: number): void;
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

/**
 * Whether the descriptor's file still has its name. Not by fstat: reading a file's times makes the kernel (6.13 and newer) stamp the next write precisely,
 * which costs each sync a turn of the file system's journal. /proc says the name too; where it is not mounted, fstat must do.
 */
const createNameCheck = (descriptor: number): (() => boolean) => {
  const link = `/proc/self/fd/${descriptor}`;
  const named = (): boolean => fstatSync(descriptor).nlink > 0;
  if (!existsSync(link)) return named;
  const name = readlinkSync(link);
  return () => readlinkSync(link) === name;
};

/** Opens the log of the database at `databasePath`, which must exist, and syncs it once. */
export const openWal = (databasePath: string, pageBytes: number): Wal => {
  const path = `${databasePath}-wal`;
  const descriptor = openSync(path, FLAGS);
  fdatasyncSync(descriptor);
  const { dev, ino } = fstatSync(descriptor);
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  const frames = createFrameCounter(descriptor, frameBytes);
  const named = createNameCheck(descriptor);
  let knownLength = 0;
  const length = (): number => {
    knownLength = fstatSync(descriptor).size;
    return knownLength;
  };
  return {
    path,
    descriptor,
    identity: `${dev}:${ino}`,
    used: () => HEADER_BYTES + frames() * frameBytes,
    length,
    extend: (usedBytes, limitBytes) => {
      if (knownLength >= limitBytes || knownLength - usedBytes >= WAL_AHEAD_BYTES / 2) return;
      const end = Math.min(length() + WAL_AHEAD_BYTES, limitBytes);
      while (knownLength < end)
        knownLength += writeSync(
          descriptor,
          ZEROS,
          0,
          Math.min(ZEROS.length, end - knownLength),
          knownLength,
        );
    },
    checkNamed: () => {
      if (named()) return;
      throw new StoreError(
        "SYNC",
        `${path}: expected the write-ahead log to have its name, but it was deleted or moved; nothing written since is safe, start again`,
      );
    },
    close: () => closeSync(descriptor),
  };
};
