// The check at start, and what becomes of a file that fails it: set aside under a name with the date, named in the error, never used and never deleted.
// quick_check finds broken structure; bytes changed inside a value it cannot see (sealed values show that when they are opened).
import type { Connection } from "./connection.ts";
import { toStoreError } from "./errors.ts";
import { setAside } from "./files.ts";
import { INTEGRITY_LINES_MAX } from "./limits.ts";
import { StoreError } from "./store.ts";

/** Throws a StoreError BROKEN with the first findings. */
export const checkIntegrity = (path: string, connection: Connection): void => {
  const answer = connection.ask(`PRAGMA quick_check(${INTEGRITY_LINES_MAX})`);
  if (answer === "ok") return;
  throw new StoreError(
    "BROKEN",
    `store ${path}: expected a whole database, its integrity check says: ${String(answer).replaceAll("\n", "; ")}`,
  );
};

/** Sets the files at `path` aside if `error` says that they are broken, and returns the error to throw: one that names where they are now. */
export const setAsideIfBroken = (path: string, error: unknown, wallMs: number): unknown => {
  const found = toStoreError(error, `store ${path}`);
  if (found === null) return error;
  if (found.code !== "BROKEN") return found;
  const names = setAside(path, wallMs).join(", ");
  const message = `${found.message}. It was set aside as ${names}; the next start begins with an empty store`;
  return new StoreError("BROKEN", message, { cause: found });
};
