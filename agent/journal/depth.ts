// How much waits in the journal, as the tables tell it: for who looks from outside (metrics, status).
import type { Database } from "#agent/store/store.ts";
import { ageMs, bootById, type Now, newestBoot } from "./boots.ts";
import { streamById } from "./stream.ts";

export interface ChunksWaiting {
  /** By their numbers, without counting them one by one: a few too many where chunks were thinned into one. */
  readonly chunks: number;
  /** Milliseconds that the oldest reading has waited; null where none waits, or nobody knows. */
  readonly oldestMs: number | null;
}

const oldestAge = (database: Database, now: Now): number | null => {
  const row = database.prepare("SELECT stream, at_mono FROM journal_chunk ORDER BY id LIMIT 1").get();
  const current = newestBoot(database);
  if (row === null || current === null || typeof row["at_mono"] !== "number") return null;
  const { bootRow } = streamById(database, Number(row["stream"]));
  const age = ageMs(now, current, bootRow === null ? null : bootById(database, bootRow), row["at_mono"]);
  return age === null ? null : Math.max(0, age);
};

export const chunksWaiting = (database: Database, now: Now): ChunksWaiting => {
  const ends = database.prepare("SELECT min(id) AS first, max(id) AS last FROM journal_chunk").get();
  const isEmpty = ends === null || ends["first"] === null;
  return {
    chunks: isEmpty ? 0 : Number(ends["last"]) - Number(ends["first"]) + 1,
    oldestMs: oldestAge(database, now),
  };
};
