// Thins a full journal: the least thinned readings first, oldest first, so that a long outage keeps an even resolution. Several chunks become one.
//
//   before   | chunk 0..79 | chunk 80..159 | ...        after   | chunk 0..79 (every second of both) | thinned: 80..159 |
//
// Nobody outside knows these numbers yet, so the readings that stay take the first ones and the numbers behind them are told as thinned: one loss for a run,
// however many readings went.
import type { Database, Vault } from "#agent/store/store.ts";
import type { Tally } from "./bounds.ts";
import { encodeChunk, openReadings } from "./chunk.ts";
import { type ChunkRow, toChunkRow } from "./chunk-row.ts";
import { CHUNK_READINGS_MAX, THIN_CHUNKS_MAX } from "./limits.ts";
import { countLost, noteLoss } from "./losses.ts";
import { addCounts, type ChannelCounts, countByChannel, openCounts } from "./lost-channels.ts";
import { streamById } from "./stream.ts";
import { CHUNK_CONTEXT } from "./tables.ts";
import { type ThinRule, thinOut } from "./thin.ts";

/** Behind the newest that was thinned none was; where there is none behind it, the one that was thinned least. */
const leastThinned = (database: Database, reserved: number): ChunkRow | null => {
  const newest = database
    .prepare("SELECT max(id) AS id FROM journal_chunk INDEXED BY journal_chunk_thinned WHERE thinned > 0")
    .get();
  const row =
    database
      .prepare("SELECT * FROM journal_chunk WHERE id > ? ORDER BY id LIMIT 1")
      .get(Math.max(reserved, Number(newest?.["id"] ?? 0))) ??
    database
      .prepare(
        "SELECT * FROM journal_chunk INDEXED BY journal_chunk_level WHERE thinned > 0 AND id > ? ORDER BY thinned, id LIMIT 1",
      )
      .get(reserved);
  return row === null ? null : toChunkRow(row);
};

/** Nothing lies between the two but what was thinned out before. */
const follows = (database: Database, last: ChunkRow, next: ChunkRow): boolean => {
  const end = last.firstSeq + last.count;
  if (next.firstSeq === end) return true;
  const gap = database
    .prepare(
      "SELECT coalesce(sum(count), 0) AS n FROM journal_loss WHERE stream = ? AND from_seq >= ? AND from_seq < ? AND reason = 'thinned'",
    )
    .get(last.stream, end, next.firstSeq);
  return Number(gap?.["n"]) === next.firstSeq - end;
};

/** The chunk with those behind it that it can be made one with. */
const runFrom = (database: Database, head: ChunkRow): readonly ChunkRow[] => {
  const run = [head];
  let count = head.count;
  const rows = database
    .prepare("SELECT * FROM journal_chunk WHERE id > ? ORDER BY id LIMIT ?")
    .iterate(head.id, THIN_CHUNKS_MAX - 1);
  for (const row of rows) {
    const next = toChunkRow(row);
    const last = run.at(-1) ?? head;
    const alike = next.stream === head.stream && next.epoch === head.epoch && next.level === head.level;
    if (!alike || count + next.count > CHUNK_READINGS_MAX || !follows(database, last, next)) break;
    run.push(next);
    count += next.count;
  }
  return run;
};

/** The run's numbers anew: readings first, then what is gone; `channels` is whose readings go now. */
const replace = (
  database: Database,
  vault: Vault,
  run: readonly ChunkRow[],
  kept: number,
  data: Uint8Array,
  channels: ChannelCounts,
): void => {
  const [head] = run;
  const last = run.at(-1);
  if (head === undefined || last === undefined) return;
  const end = last.firstSeq + last.count;
  for (const { id } of run.slice(1)) database.prepare("DELETE FROM journal_chunk WHERE id = ?").run(id);
  database
    .prepare("UPDATE journal_chunk SET count = ?, thinned = thinned + 1, data = ? WHERE id = ?")
    .run(kept, data, head.id);
  const before = database
    .prepare("SELECT channels FROM journal_loss WHERE stream = ? AND from_seq >= ? AND from_seq < ?")
    .all(head.stream, head.firstSeq, end)
    .map((row) => openCounts(vault, row["channels"]));
  database
    .prepare("DELETE FROM journal_loss WHERE stream = ? AND from_seq >= ? AND from_seq < ?")
    .run(head.stream, head.firstSeq, end);
  const from = head.firstSeq + kept;
  noteLoss(database, vault, head.stream, {
    from,
    count: end - from,
    reason: "thinned",
    fromMs: head.atMs,
    untilMs: last.atMs,
    channels: addCounts(...before, channels),
  });
};

/** How many bytes were saved; 0 where the run cannot be read, is partly packed, or every reading of it stays. */
const thinRun = (database: Database, vault: Vault, tally: Tally, head: ChunkRow, rule: ThinRule): number => {
  if (head.firstSeq < streamById(database, head.stream).nextPack) return 0;
  const run = runFrom(database, head);
  const parsed = run.map(({ data }) => openReadings(vault, data));
  if (parsed.includes(null)) return 0;
  const readings = parsed.flatMap((list) => list ?? []);
  const kept = thinOut(readings, rule, head.level);
  const data = vault.seal(CHUNK_CONTEXT, encodeChunk(kept));
  const saved = run.reduce((sum, chunk) => sum + chunk.data.length, 0) - data.length;
  if (kept.length === readings.length || saved <= 0) return 0;
  const stays = new Set(kept);
  const channels = countByChannel(readings.filter((reading) => !stays.has(reading)));
  replace(database, vault, run, kept.length, data, channels);
  const gone = readings.length - kept.length;
  countLost(database, "thinned", gone);
  tally.readings -= gone;
  if (head.stream === tally.stream.rowId) tally.live -= gone;
  tally.lost += gone;
  tally.bytes -= saved;
  return saved;
};

/** Thins what was thinned least; a chunk of which nothing can be saved counts as thinned, so that its neighbours' turn comes. False where nothing was saved. */
export const thinNext = (database: Database, vault: Vault, tally: Tally, rule: ThinRule): boolean => {
  for (let tries = 0; tries < THIN_CHUNKS_MAX; tries += 1) {
    const head = leastThinned(database, tally.reserved);
    if (head === null) return false;
    if (thinRun(database, vault, tally, head, rule) > 0) return true;
    database.prepare("UPDATE journal_chunk SET thinned = thinned + 1 WHERE id = ?").run(head.id);
  }
  return false;
};
