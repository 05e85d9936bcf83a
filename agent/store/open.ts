// The open sequence (DESIGN 3). Its order is the point: nothing is read before the file is known to be ours and whole, and nothing is handed out
// before everything that was read is on the disk (rows read back after a kill may never have been).
//
//   folder -> lock -> create if missing -> WAL -> ours? whole? -> this key's? -> migrate -> TRUNCATE checkpoint -> first commit -> sync, folder too
import { dirname } from "node:path";
import type { Runtime } from "../runtime.ts";
import { UNBUILT_WORKER, type WorkerSource } from "./checkpoint.ts";
import { type Connection, openConnection } from "./connection.ts";
import { createIfMissing } from "./create.ts";
import { toStoreError } from "./errors.ts";
import { createFailure } from "./failure.ts";
import { ensureFolder, syncFolder } from "./files.ts";
import { checkIntegrity, setAsideIfBroken } from "./integrity.ts";
import { type Lock, takeLock } from "./lock.ts";
import { checkOwner, migrate } from "./migrate.ts";
import { type CheckpointPolicy, DEFAULT_POLICY } from "./policy.ts";
import { createStore } from "./running.ts";
import { type Migrations, type Store, StoreError, type Vault } from "./store.ts";
import { createKeyCheck, createVault, fitsKeyCheck } from "./vault.ts";
import { openWal, type Wal } from "./wal.ts";

export interface StoreOptions {
  /** The database file. Its folder is made if missing; -wal, -shm, .lock and .holder lie beside it. */
  readonly path: string;
  /** The raw 32-byte store key (readKeyFile, a systemd credential). */
  readonly key: Uint8Array;
  /** The tables of every module, in the order in which they may refer to each other. */
  readonly migrations: readonly Migrations[];
  readonly runtime: Runtime;
  /** Who holds the store, for the message that another process gets: "pid 4711". */
  readonly holder?: string;
  /** Where the worker's code is in a bundle or a single executable. */
  readonly workerUrl?: WorkerSource;
  readonly policy?: CheckpointPolicy;
}

const checkKey = (path: string, connection: Connection, vault: Vault): void => {
  const check = connection.ask("SELECT check_value FROM store_key");
  if (check instanceof Uint8Array && fitsKeyCheck(vault, check)) return;
  throw new StoreError(
    "KEY",
    `store ${path}: expected the key it was made with, found another; give it that key, or move the store away to begin anew`,
  );
};

const configure = (path: string, connection: Connection): void => {
  const mode = connection.ask("PRAGMA journal_mode = WAL");
  if (mode !== "wal")
    throw new StoreError(
      "READ_ONLY",
      `store ${path}: expected journal mode wal, found ${String(mode)}; its file system must offer shared memory and locks`,
    );
  for (const pragma of [
    "synchronous = NORMAL",
    "wal_autocheckpoint = 0",
    "temp_store = MEMORY",
    "cell_size_check = ON",
  ])
    connection.ask(`PRAGMA ${pragma}`);
};

/** Everything that was read is on the disk after this, and so is the header of a new WAL: later commits write frames only. */
const settle = (path: string, connection: Connection): void => {
  if (connection.ask("PRAGMA wal_checkpoint(TRUNCATE)") !== 0)
    throw new StoreError(
      "LOCKED",
      `store ${path}: another process reads it; close that program and start again`,
    );
  connection.command("UPDATE store_restarts SET count = count + 1");
};

const prepare = (options: StoreOptions, vault: Vault, connection: Connection): void => {
  const { path } = options;
  checkOwner(path, connection);
  configure(path, connection);
  checkIntegrity(path, connection);
  checkKey(path, connection, vault);
  migrate(path, connection, options.migrations);
  settle(path, connection);
};

interface Opened {
  readonly connection: Connection;
  readonly wal: Wal;
}

const openPrepared = (options: StoreOptions, vault: Vault, onFatal: (error: StoreError) => void): Opened => {
  const { path } = options;
  let connection: Connection | null = null;
  try {
    connection = openConnection(path, onFatal);
    prepare(options, vault, connection);
    const wal = openWal(path, Number(connection.ask("PRAGMA page_size")));
    syncFolder(dirname(path));
    return { connection, wal };
  } catch (error) {
    // Set aside while it is still open: closing would copy the log into the broken file and delete it.
    const found = setAsideIfBroken(path, error, options.runtime.clock.wallMs());
    connection?.close();
    throw found;
  }
};

/** Opens the store at `path`, or throws a StoreError. A BROKEN one was set aside and is named in the message: who wants an empty store instead calls again. */
export const openStore = async (options: StoreOptions): Promise<Store> => {
  const { path, runtime } = options;
  const vault = createVault(options.key, runtime.random);
  let lock: Lock | null = null;
  try {
    ensureFolder(dirname(path));
    lock = takeLock(path, options.holder ?? "unknown");
    createIfMissing(path, createKeyCheck(vault), runtime.clock.wallMs());
    const failure = createFailure();
    const opened = openPrepared(options, vault, failure.fail);
    return createStore({
      ...opened,
      path,
      lock,
      vault,
      runtime,
      source: options.workerUrl ?? UNBUILT_WORKER,
      policy: options.policy ?? DEFAULT_POLICY,
      failure,
    });
  } catch (error) {
    lock?.release();
    throw toStoreError(error, `store ${path}`) ?? error;
  }
};
