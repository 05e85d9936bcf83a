// Readings per second made durable, against raw node:sqlite (issue 3, "Measured"). 100-byte rows, on the disk that holds the project, five rounds in
// which each side has its turn, medians. Alone: `node scripts/bench/store.ts`.

import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { openStore, type StoreOptions } from "#agent/store/open.ts";
import type { Store } from "#agent/store/store.ts";
import { runtime } from "#test/agent/store/runtime.ts";
import { atLeast, type BenchRow, median } from "./row.ts";

const ROUNDS = 5;
const ROUND_MS = 700;
const ROW_BYTES = 100;
const SOURCES = 32;
const BATCH = 100;
const TABLE = "CREATE TABLE readings (id INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT";
const INSERT = "INSERT INTO readings (value) VALUES (?)";
const CACHE = fileURLToPath(new URL("../../.cache/bench/", import.meta.url));

/** What is measured: the source's openStore, or the one out of a bundle. */
export type OpenStore = (options: StoreOptions) => Promise<Store>;

const inFolder = async <T>(work: (folder: string) => T | Promise<T>): Promise<T> => {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "store-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Rows per second of `step`, which writes `rows` of them, for one round. */
const rateOf = async (rows: number, step: () => void | Promise<void>): Promise<number> => {
  const start = performance.now();
  let written = 0;
  while (performance.now() - start < ROUND_MS) {
    await step();
    written += rows;
  }
  return (written * 1_000) / (performance.now() - start);
};

/** Raw: synchronous=FULL, `rows` per transaction, everything else as SQLite has it. */
const raw = (rows: number): Promise<number> =>
  inFolder(async (folder) => {
    const database = new DatabaseSync(join(folder, "raw.db"));
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${TABLE}`);
    const insert = database.prepare(INSERT);
    const value = randomBytes(ROW_BYTES);
    const start = performance.now();
    let written = 0;
    while (performance.now() - start < ROUND_MS) {
      database.exec("BEGIN IMMEDIATE");
      for (let row = 0; row < rows; row += 1) insert.run(value);
      database.exec("COMMIT");
      written += rows;
    }
    const rate = (written * 1_000) / (performance.now() - start);
    database.close();
    return rate;
  });

/** Ours: `sources` that each write `rows` in a transaction and wait until they are durable. */
const ours = (open: OpenStore, sources: number, rows: number): Promise<number> =>
  inFolder(async (folder) => {
    const migrations = [{ module: "readings", steps: [TABLE] }];
    const store = await open({ path: join(folder, "petrel.db"), key: randomBytes(32), migrations, runtime });
    const value = randomBytes(ROW_BYTES);
    const step = async (): Promise<void> => {
      await store.transaction((database) => {
        const insert = database.prepare(INSERT);
        for (let row = 0; row < rows; row += 1) insert.run(value);
      });
      await store.durable();
    };
    const rates = await Promise.all(Array.from({ length: sources }, () => rateOf(rows, step)));
    await store.close();
    return rates.reduce((sum, rate) => sum + rate, 0);
  });

const CONTESTANTS = {
  raw: () => raw(1),
  one: (open: OpenStore) => ours(open, 1, 1),
  many: (open: OpenStore) => ours(open, SOURCES, 1),
  rawBatches: () => raw(BATCH),
  batches: (open: OpenStore) => ours(open, 1, BATCH),
} as const;

type Contestant = keyof typeof CONTESTANTS;

// The keys of an object literal, which Object.keys gives as plain strings.
const NAMES = Object.keys(CONTESTANTS) as Contestant[];

const measure = async (open: OpenStore): Promise<Record<Contestant, number>> => {
  const rates: Record<Contestant, number[]> = { raw: [], one: [], many: [], rawBatches: [], batches: [] };
  for (let round = 0; round < ROUNDS; round += 1)
    for (const name of NAMES) rates[name].push(Math.round(await CONTESTANTS[name](open)));
  // Each contestant's list becomes its median.
  return Object.fromEntries(NAMES.map((name) => [name, median(rates[name])])) as Record<Contestant, number>;
};

/** The rows of issue 3's table that the store answers for: one source, 32 sources, batches of 100. */
export const storeThroughput = async (open: OpenStore = openStore): Promise<BenchRow[]> => {
  const found = await measure(open);
  const row = (name: string, value: number, peer: string, peerValue: number, goal: number): BenchRow =>
    atLeast({ name: `readings/s made durable, ${name}`, unit: "rows/s", value, peer, peerValue, goal });
  const single = "node:sqlite, one FULL transaction per row";
  return [
    row("one source that waits for each", found.one, single, found.raw, 0.7),
    row(`${SOURCES} sources`, found.many, single, found.raw, 4),
    row(
      `batches of ${BATCH}`,
      found.batches,
      `node:sqlite, ${BATCH} rows per FULL transaction`,
      found.rawBatches,
      0.5,
    ),
  ];
};

if (import.meta.main) for (const row of await storeThroughput()) console.log(JSON.stringify(row));
