// From what SQLite and the file system say to a StoreError: which code, and one line that an operator can act on.
// Result codes: https://www.sqlite.org/rescode.html (the low byte is the primary code).
import { StoreError, type StoreErrorCode } from "./store.ts";

const PRIMARY: ReadonlyMap<number, StoreErrorCode> = new Map([
  [5, "LOCKED"], // SQLITE_BUSY
  [6, "LOCKED"], // SQLITE_LOCKED
  [8, "READ_ONLY"], // SQLITE_READONLY
  [10, "SYNC"], // SQLITE_IOERR
  [11, "BROKEN"], // SQLITE_CORRUPT
  [13, "FULL"], // SQLITE_FULL
  [14, "READ_ONLY"], // SQLITE_CANTOPEN
  [15, "SYNC"], // SQLITE_PROTOCOL
  [26, "BROKEN"], // SQLITE_NOTADB
]);

const ERRNO: ReadonlyMap<string, StoreErrorCode> = new Map([
  ["ENOSPC", "FULL"],
  ["EDQUOT", "FULL"],
  ["EROFS", "READ_ONLY"],
  ["EACCES", "READ_ONLY"],
  ["EPERM", "READ_ONLY"],
]);

const ADVICE: Readonly<Record<StoreErrorCode, string>> = {
  LOCKED: "another process uses it; stop that one first",
  BROKEN: "the file is damaged or not a Petrel store",
  NEWER: "it was written by a newer Petrel; install that version again",
  FULL: "no space left on the disk; free some and start again",
  READ_ONLY:
    "it cannot be written; check that the folder exists, is writable by this user and not mounted read-only",
  SYNC: "the disk did not take the data; what was not reported durable may be missing, check the disk (dmesg) and start again",
  BUSY: "too many transactions wait; try again later",
  SEAL: "what was sealed does not open here",
  KEY: "the store key does not fit",
  CLOSED: "the store is closed",
};

/** Codes after which nothing more can be trusted: the store fails for good. LOCKED is not among them, nor a caller's own mistake. */
const FATAL: ReadonlySet<StoreErrorCode> = new Set(["BROKEN", "FULL", "READ_ONLY", "SYNC"]);

/** What a thrown value carries for us: Node's own errors have `code`, those of node:sqlite `errcode` too. */
export interface Fault {
  readonly code?: unknown;
  readonly errcode?: unknown;
  readonly message?: unknown;
}

const codeOf = (fault: Fault): StoreErrorCode | null => {
  if (typeof fault.errcode === "number") return PRIMARY.get(fault.errcode & 0xff) ?? null;
  if (fault.code === "ERR_SQLITE_ERROR" || typeof fault.code !== "string") return null;
  // A system call's error: known ones by name, every other failed call on a file as a failed write.
  return (
    ERRNO.get(fault.code) ??
    (/^E[A-Z0-9]+$/.test(fault.code) && !fault.code.startsWith("ERR_") ? "SYNC" : null)
  );
};

/** The StoreError that an SQLite or file system error means, or null for what is not the store's: a constraint, a syntax error, a caller's exception. */
export const toStoreError = (error: unknown, what: string): StoreError | null => {
  if (error instanceof StoreError) return error;
  if (typeof error !== "object" || error === null) return null;
  // Any object may be asked for properties; each is checked before it is used.
  const fault = error as Fault;
  const code = codeOf(fault);
  if (code === null) return null;
  const detail = typeof fault.message === "string" ? fault.message : "no message";
  return new StoreError(code, `${what}: ${ADVICE[code]} (${detail})`, { cause: error });
};

/** As above, where everything that goes wrong is the store's: what is not recognised is a failed write. */
export const asStoreError = (error: unknown, what: string): StoreError =>
  toStoreError(error, what) ?? new StoreError("SYNC", `${what}: ${String(error)}`, { cause: error });

export const isFatal = (error: StoreError): boolean => FATAL.has(error.code);
