// Takes the oldest readings out of the journal for one event, live ones or of the backlog: of one stream, one clock state, up to a number of readings and
// bytes. Runs inside the packer's transaction, which also writes the event: a reading is in the journal or in an event, never in both or neither.
import type { Database, Vault } from "#agent/store/store.ts";
import { spanOf } from "#agent/telemetry/event.ts";
import type { ClockState, Loss, StampedReading } from "#agent/telemetry/reading.ts";
import { openReadings } from "./chunk.ts";
import { type ChunkRow, toChunkRow } from "./chunk-row.ts";
import { type EpochRow, epochById } from "./epochs.ts";
import { LOSS_BYTES, LOSSES_PER_EVENT_MAX, LOST_CHANNEL_BYTES } from "./limits.ts";
import { countLost, lossesBetween } from "./losses.ts";
import { countByChannel, NO_CHANNELS } from "./lost-channels.ts";
import { liveStream, type Stream, streamById } from "./stream.ts";

export interface TakeLimits {
  readonly readingsMax: number;
  /** Bytes that the readings may need, by `sizeOf`. */
  readonly bytesMax: number;
  readonly sizeOf: (reading: StampedReading) => number;
  /** Readings that are too old for their channel (`channels.*.retention`): told as lost. */
  readonly isExpired?: (reading: StampedReading) => boolean;
}

/** Of which readings: those that came since the last new stream, or what waits of older ones. */
export type Part = "live" | "backlog";

export interface Taken {
  readonly stream: Stream;
  readonly clock: ClockState;
  /** Correction that is in the readings' times, ms. */
  readonly offsetMs: number;
  /** First sequence number covered: lost ones before the first reading included. */
  readonly seq: number;
  readonly lost: readonly Loss[];
  /** None where only a loss is to be told: nothing is left of an earlier stream, a chunk cannot be read, or the next reading needs an event of its own. */
  readonly readings: readonly StampedReading[];
  /** Readings of chunks that do not open: bits of the disk changed. Among `lost`. */
  readonly unreadable: number;
  /** Readings that were too old for their channel. Among `lost`. */
  readonly expired: number;
  /** What left the journal, for its numbers. */
  readonly bytesFreed: number;
}

/** What was picked so far. */
export interface Picked {
  readings: StampedReading[];
  lost: Loss[];
  bytes: number;
  next: number;
  unreadable: number;
  expired: number;
  bytesFreed: number;
}

/** What losses take in an event, at most: their runs, and the names of their channels. */
const lossBytes = (losses: readonly Loss[]): number =>
  losses.reduce(
    (sum, { channels = NO_CHANNELS }) =>
      [...channels.keys()].reduce(
        (bytes, name) => bytes + name.length + LOST_CHANNEL_BYTES,
        sum + LOSS_BYTES,
      ),
    0,
  );

const addLosses = (picked: Picked, losses: readonly Loss[], next: number): void => {
  picked.lost.push(...losses);
  picked.bytes += lossBytes(losses);
  picked.next = Math.max(picked.next, next);
};

/** With the times as they are told. Null when it cannot be read: the packer must not stand before one damaged page for ever. */
const openChunk = (vault: Vault, chunk: ChunkRow, offsetMs: number): StampedReading[] | null => {
  const readings = openReadings(vault, chunk.data);
  if (offsetMs === 0 || readings === null) return readings;
  return readings.map((reading) => ({ ...reading, timeMs: Math.max(0, reading.timeMs + offsetMs) }));
};

/** Readings that are too old for their channel, told behind those of their chunk that stay: nobody outside knows their numbers yet. */
const addExpired = (picked: Picked, gone: readonly StampedReading[]): void => {
  const count = gone.length;
  if (count === 0) return;
  picked.expired += count;
  const { fromMs, untilMs } = spanOf(gone);
  const channels = countByChannel(gone);
  const loss = { from: picked.next, count, reason: "expired", fromMs, untilMs, channels };
  addLosses(picked, [loss], picked.next + count);
};

/** Adds of one chunk what fits; true if all of it was taken. A first reading fits by itself; where losses before it take its room, they go alone. */
const pick = (readings: readonly StampedReading[], picked: Picked, limits: TakeLimits): boolean => {
  const gone: StampedReading[] = [];
  let whole = true;
  for (const reading of readings) {
    if (limits.isExpired?.(reading)) {
      gone.push(reading);
      continue;
    }
    const size = limits.sizeOf(reading);
    const full = picked.readings.length >= limits.readingsMax || picked.bytes + size > limits.bytesMax;
    whole = !full || picked.readings.length + picked.lost.length === 0;
    if (!whole) break;
    picked.readings.push(reading);
    picked.bytes += size;
    picked.next += 1;
  }
  addExpired(picked, gone);
  return whole;
};

/** What all readings of one event share. */
export interface Stretch {
  readonly stream: Stream;
  readonly epoch: EpochRow;
}

/** Adds what fits of the chunk; true if that is all of it. */
export const addChunk = (
  database: Database,
  vault: Vault,
  { epoch, stream }: Stretch,
  chunk: ChunkRow,
  picked: Picked,
  limits: TakeLimits,
): boolean => {
  if (picked.readings.length >= limits.readingsMax || picked.bytes >= limits.bytesMax) return false;
  const gap = lossesBetween(database, vault, stream.rowId, picked.next, chunk.firstSeq);
  const isTooMuch =
    picked.bytes + lossBytes(gap) > limits.bytesMax || picked.lost.length + gap.length > LOSSES_PER_EVENT_MAX;
  if (picked.readings.length > 0 && isTooMuch) return false;
  addLosses(picked, gap, chunk.firstSeq);
  const all = openChunk(vault, chunk, epoch.offsetMs);
  if (all === null) {
    const count = chunk.firstSeq + chunk.count - picked.next;
    const when = chunk.atMs === 0 ? {} : { fromMs: chunk.atMs, untilMs: chunk.atMs };
    addLosses(picked, [{ from: picked.next, count, reason: "unreadable", ...when }], picked.next + count);
    picked.unreadable += count;
  } else if (!pick(all.slice(picked.next - chunk.firstSeq), picked, limits)) return false;
  picked.bytesFreed += chunk.data.length;
  return true;
};

/** The stream's numbers go on behind what was picked. */
export const settle = (database: Database, { epoch, stream }: Stretch, picked: Picked): Taken => {
  database.prepare("UPDATE journal_stream SET next_pack = ? WHERE id = ?").run(picked.next, stream.rowId);
  database
    .prepare("DELETE FROM journal_loss WHERE stream = ? AND from_seq + count <= ?")
    .run(stream.rowId, picked.next);
  const { readings, lost, unreadable, expired, bytesFreed } = picked;
  countLost(database, "unreadable", unreadable);
  countLost(database, "expired", expired);
  const { clock, offsetMs } = epoch;
  return { stream, clock, offsetMs, seq: stream.nextPack, lost, readings, unreadable, expired, bytesFreed };
};

export const beginAt = (stream: Stream): Picked => ({
  readings: [],
  lost: [],
  bytes: 0,
  next: stream.nextPack,
  unreadable: 0,
  expired: 0,
  bytesFreed: 0,
});

/** The losses of the oldest stream before `streamRow` that has any: all that is left of it, since readings leave in the order of their streams. */
const takeForgotten = (database: Database, vault: Vault, streamRow: number): Taken | null => {
  const row = database
    .prepare(
      "SELECT stream, max(from_seq + count) AS end FROM journal_loss WHERE stream < ? GROUP BY stream ORDER BY stream LIMIT 1",
    )
    .get(streamRow);
  if (row === null) return null;
  const stream = streamById(database, Number(row["stream"]));
  const picked = beginAt(stream);
  const end = Number(row["end"]);
  addLosses(picked, lossesBetween(database, vault, stream.rowId, picked.next, end), end);
  return settle(database, { stream, epoch: { clock: "unset", offsetMs: 0 } }, picked);
};

export const chunkFrom = (database: Database, id: number): ChunkRow | null => {
  const row = database.prepare("SELECT * FROM journal_chunk WHERE id >= ? ORDER BY id LIMIT 1").get(id);
  return row === null ? null : toChunkRow(row);
};

const takeFrom = (database: Database, vault: Vault, first: ChunkRow, limits: TakeLimits): Taken => {
  const stream = streamById(database, first.stream);
  const stretch = { stream, epoch: epochById(database, first.epoch) };
  const picked = beginAt(stream);
  let chunk: ChunkRow | null = first;
  while (chunk?.stream === first.stream && chunk.epoch === first.epoch) {
    if (!addChunk(database, vault, stretch, chunk, picked, limits)) break;
    database.prepare("DELETE FROM journal_chunk WHERE id = ?").run(chunk.id);
    chunk = chunkFrom(database, chunk.id + 1);
  }
  return settle(database, stretch, picked);
};

/** The first chunk of what waits of older streams. */
export const oldestOfBacklog = (database: Database, live: Stream): ChunkRow | null => {
  const oldest = chunkFrom(database, 0);
  return oldest === null || oldest.stream === live.rowId ? null : oldest;
};

/** The oldest readings of a part, out of the journal; null if it is empty. */
export const takeOldest = (
  database: Database,
  vault: Vault,
  part: Part,
  limits: TakeLimits,
): Taken | null => {
  const live = liveStream(database);
  if (live === null) return null;
  if (part === "live") {
    const chunk = chunkFrom(database, live.firstChunk);
    return chunk === null ? null : takeFrom(database, vault, chunk, limits);
  }
  const first = oldestOfBacklog(database, live);
  const forgotten = takeForgotten(database, vault, first?.stream ?? live.rowId);
  return forgotten ?? (first === null ? null : takeFrom(database, vault, first, limits));
};
