// What the store's tests share: a folder that goes away, a runtime on the real clock, a store with one table.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Runtime } from "#agent/runtime.ts";
import { openStore, type StoreOptions } from "#agent/store/open.ts";
import type { Migrations, Store } from "#agent/store/store.ts";

const ignore = (): void => undefined;

export const runtime: Runtime = {
  clock: { wallMs: () => Date.now(), monoMs: () => performance.now() },
  timers: {
    after: (delayMs, callback) => {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
  },
  random: (length) => randomBytes(length),
  log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
};

export const KEY: Uint8Array = new Uint8Array(32).fill(7);

/** The table of all tests: rows with a number and 100 bytes or so. */
export const ROWS: Migrations = {
  module: "rows",
  steps: ["CREATE TABLE rows (id INTEGER PRIMARY KEY, value TEXT) STRICT"],
};

export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-store-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

export const optionsFor = (path: string, more: Partial<StoreOptions> = {}): StoreOptions => ({
  path,
  key: KEY,
  migrations: [ROWS],
  runtime,
  holder: `pid ${process.pid}`,
  ...more,
});

/** Opens a store that is closed at the test's end. */
export const openTestStore = async (path: string, more: Partial<StoreOptions> = {}): Promise<Store> => {
  const store = await openStore(optionsFor(path, more));
  onTestFinished(() => store.close().catch(ignore));
  return store;
};

export const insert = (store: Store, id: number, value = `row ${id}`): Promise<void> =>
  store.transaction((database) => {
    database.prepare("INSERT INTO rows VALUES (?, ?)").run(id, value);
  });

export const idsOf = (store: Store): number[] =>
  store.read((database) =>
    database
      .prepare("SELECT id FROM rows ORDER BY id")
      .all()
      .map((row) => Number(row["id"])),
  );
