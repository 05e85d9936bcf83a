// What the store's tests and their child process share: a runtime on the real clock, a key, one table.
import { randomBytes } from "node:crypto";
import type { Runtime } from "#agent/runtime.ts";
import type { StoreOptions } from "#agent/store/open.ts";
import type { Migrations } from "#agent/store/store.ts";

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

export const optionsFor = (path: string, more: Partial<StoreOptions> = {}): StoreOptions => ({
  path,
  key: KEY,
  migrations: [ROWS],
  runtime,
  holder: `pid ${process.pid}`,
  ...more,
});
