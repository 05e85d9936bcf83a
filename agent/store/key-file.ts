// The store key as a file: 32 raw bytes, readable by its owner only. A systemd credential is read in the same way (systemd.exec(5): mode 0400, or 0440 by an ACL).
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Random } from "#drivers/driver.ts";
import { asStoreError } from "./errors.ts";
import { ensureFolder, syncFolder } from "./files.ts";
import { KEY_BYTES } from "./limits.ts";
import { StoreError } from "./store.ts";

/** Others may read, or anybody but the owner may write. */
const TOO_OPEN = 0o026;

const writeWhole = (path: string, bytes: Uint8Array): void => {
  const descriptor = openSync(path, "wx", 0o600);
  try {
    if (writeSync(descriptor, bytes) !== bytes.length)
      throw new StoreError("FULL", `${path}: no space for a key`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
};

/** Makes a new key file, whole or not at all, and returns the key. Throws a StoreError KEY if the file is there: a key is never replaced. */
export const createKeyFile = (path: string, random: Random): Uint8Array => {
  const key = random(KEY_BYTES);
  const unfinished = `${path}.new`;
  try {
    ensureFolder(dirname(path));
    rmSync(unfinished, { force: true });
    writeWhole(unfinished, key);
    // A link does not replace what is there; a rename would.
    linkSync(unfinished, path);
    syncFolder(dirname(path));
    return key;
  } catch (error) {
    // A Node error of the file system has a code; anything else compares unequal.
    if ((error as { code?: unknown }).code === "EEXIST")
      throw new StoreError(
        "KEY",
        `store key ${path}: expected no file, found one; it is kept, move it away to make another`,
      );
    throw asStoreError(error, `store key ${path}`);
  } finally {
    rmSync(unfinished, { force: true });
  }
};

/** The key in the file at `path`. Throws a StoreError KEY when it is missing, not 32 bytes, or open to others. */
export const readKeyFile = (path: string): Uint8Array => {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined)
    throw new StoreError("KEY", `store key ${path}: expected a file of ${KEY_BYTES} bytes, found none`);
  if ((stats.mode & TOO_OPEN) !== 0) {
    const mode = (stats.mode & 0o777).toString(8);
    throw new StoreError(
      "KEY",
      `store key ${path}: expected it to be readable by its owner only, found mode ${mode}; chmod 600 it`,
    );
  }
  if (stats.size !== KEY_BYTES)
    throw new StoreError("KEY", `store key ${path}: expected ${KEY_BYTES} raw bytes, found ${stats.size}`);
  return new Uint8Array(readFileSync(path));
};
