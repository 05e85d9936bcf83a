// Takes the oldest readings out of the journal for one event: of one stream, one clock state, up to a number of readings and bytes.
// Runs inside the packer's transaction, which also writes the event: a reading is in the journal or in an event, never in both or neither.
import type { Database, Row, Vault } from "#agent/store/store.ts";
import type { ClockState, Loss, StampedReading } from "#agent/telemetry/reading.ts";
import { parseChunk } from "./chunk.ts";
import { type EpochRow, epochById } from "./epochs.ts";
import { LOSS_BYTES, LOSSES_PER_GAP_MAX } from "./limits.ts";
import { type Stream, streamById } from "./stream.ts";
import { CHUNK_CONTEXT } from "./tables.ts";

export interface TakeLimits {
  readonly readingsMax: number;
  /** Bytes that the readings may need, by `sizeOf`. */
  readonly bytesMax: number;
  readonly sizeOf: (reading: StampedReading) => number;
}

export interface Taken {
  readonly stream: Stream;
  readonly clock: ClockState;
  /** Correction that is in the readings' times, ms. */
  readonly offsetMs: number;
  /** First sequence number covered: lost ones before the first reading included. */
  readonly seq: number;
  readonly lost: readonly Loss[];
  /** None where only a loss is to be told: a stream of an earlier boot of which nothing is left, or a chunk that cannot be read. */
  readonly readings: readonly StampedReading[];
  /** Readings of chunks that do not open: bits of the disk changed. Among `lost`. */
  readonly unreadable: number;
  /** What left the journal, for its numbers. */
  readonly bytesFreed: number;
}

interface Chunk {
  readonly id: number;
  readonly stream: number;
  readonly firstSeq: number;
  readonly count: number;
  readonly epoch: number;
  readonly data: Uint8Array;
}

const toChunk = (row: Row): Chunk => {
  const data = row["data"];
  if (!(data instanceof Uint8Array)) throw new Error("journal: a chunk holds no data");
  return {
    id: Number(row["id"]),
    stream: Number(row["stream"]),
    firstSeq: Number(row["first_seq"]),
    count: Number(row["count"]),
    epoch: Number(row["epoch"]),
    data,
  };
};

/** Losses in [from, until), in order, neighbours of one reason joined; a stretch that no row explains is "unknown". */
const lossesBetween = (database: Database, stream: Stream, from: number, until: number): Loss[] => {
  if (until <= from) return [];
  const rows = database
    .prepare(
      "SELECT from_seq, count, reason FROM journal_loss WHERE stream = ? AND from_seq < ? AND from_seq + count > ? ORDER BY from_seq",
    )
    .all(stream.rowId, until, from);
  const losses: Loss[] = [];
  let next = from;
  const add = (end: number, reason: string): void => {
    if (end <= next) return;
    const last = losses.at(-1);
    if (last?.reason === reason) losses[losses.length - 1] = { ...last, count: last.count + end - next };
    else losses.push({ from: next, count: end - next, reason });
    next = end;
  };
  for (const row of rows) {
    add(Math.min(Number(row["from_seq"]), until), "unknown");
    add(Math.min(Number(row["from_seq"]) + Number(row["count"]), until), String(row["reason"]));
  }
  add(until, "unknown");
  return losses.length > LOSSES_PER_GAP_MAX ? [{ from, count: until - from, reason: "several" }] : losses;
};

interface Picked {
  readings: StampedReading[];
  lost: Loss[];
  bytes: number;
  next: number;
  unreadable: number;
  bytesFreed: number;
}

const addLosses = (picked: Picked, losses: readonly Loss[], next: number): void => {
  picked.lost.push(...losses);
  picked.bytes += losses.length * LOSS_BYTES;
  picked.next = Math.max(picked.next, next);
};

/** With the times as they are told. Null when it cannot be read: the packer must not stand before one damaged page for ever. */
const openChunk = (vault: Vault, chunk: Chunk, offsetMs: number): StampedReading[] | null => {
  try {
    const readings = parseChunk(vault.open(CHUNK_CONTEXT, chunk.data));
    return readings.map((reading) => ({ ...reading, timeMs: Math.max(0, reading.timeMs + offsetMs) }));
  } catch {
    return null;
  }
};

/** Adds of one chunk what fits; true if all of it was taken. A first reading always fits: the packer's limits leave room for the largest. */
const pick = (readings: readonly StampedReading[], picked: Picked, limits: TakeLimits): boolean => {
  for (const reading of readings) {
    const size = limits.sizeOf(reading);
    const full = picked.readings.length >= limits.readingsMax || picked.bytes + size > limits.bytesMax;
    if (full && picked.readings.length > 0) return false;
    picked.readings.push(reading);
    picked.bytes += size;
    picked.next += 1;
  }
  return true;
};

/** What all readings of one event share. */
interface Stretch {
  readonly stream: Stream;
  readonly epoch: EpochRow;
}

/** Adds what fits of the chunk; true if all of it left the journal. */
const takeChunk = (
  database: Database,
  vault: Vault,
  { epoch, stream }: Stretch,
  chunk: Chunk,
  picked: Picked,
  limits: TakeLimits,
): boolean => {
  if (picked.readings.length >= limits.readingsMax || picked.bytes >= limits.bytesMax) return false;
  const gap = lossesBetween(database, stream, picked.next, chunk.firstSeq);
  if (picked.readings.length > 0 && picked.bytes + gap.length * LOSS_BYTES > limits.bytesMax) return false;
  addLosses(picked, gap, chunk.firstSeq);
  const all = openChunk(vault, chunk, epoch.offsetMs);
  if (all === null) {
    const count = chunk.firstSeq + chunk.count - picked.next;
    addLosses(picked, [{ from: picked.next, count, reason: "unreadable" }], picked.next + count);
    picked.unreadable += count;
  } else if (!pick(all.slice(picked.next - chunk.firstSeq), picked, limits)) return false;
  database.prepare("DELETE FROM journal_chunk WHERE id = ?").run(chunk.id);
  picked.bytesFreed += chunk.data.length;
  return true;
};

const settle = (database: Database, { epoch, stream }: Stretch, picked: Picked): Taken => {
  database.prepare("UPDATE journal_stream SET next_pack = ? WHERE id = ?").run(picked.next, stream.rowId);
  database
    .prepare("DELETE FROM journal_loss WHERE stream = ? AND from_seq + count <= ?")
    .run(stream.rowId, picked.next);
  const { readings, lost, unreadable, bytesFreed } = picked;
  const { clock, offsetMs } = epoch;
  return { stream, clock, offsetMs, seq: stream.nextPack, lost, readings, unreadable, bytesFreed };
};

const beginAt = (stream: Stream): Picked => ({
  readings: [],
  lost: [],
  bytes: 0,
  next: stream.nextPack,
  unreadable: 0,
  bytesFreed: 0,
});

/** The losses of the oldest stream before `streamRow` that has any: all that is left of it, since readings leave in the order of their streams. */
const takeForgotten = (database: Database, streamRow: number): Taken | null => {
  const row = database
    .prepare(
      "SELECT stream, max(from_seq + count) AS end FROM journal_loss WHERE stream < ? GROUP BY stream ORDER BY stream LIMIT 1",
    )
    .get(streamRow);
  if (row === null) return null;
  const stream = streamById(database, Number(row["stream"]));
  const picked = beginAt(stream);
  const end = Number(row["end"]);
  addLosses(picked, lossesBetween(database, stream, picked.next, end), end);
  return settle(database, { stream, epoch: { clock: "unset", offsetMs: 0 } }, picked);
};

/** The oldest readings, out of the journal; null if it is empty. */
export const takeOldest = (database: Database, vault: Vault, limits: TakeLimits): Taken | null => {
  const first = database.prepare("SELECT * FROM journal_chunk ORDER BY id LIMIT 1").get();
  if (first === null) return null;
  const { stream: streamRow, epoch: epochId } = toChunk(first);
  const forgotten = takeForgotten(database, streamRow);
  if (forgotten !== null) return forgotten;
  const stream = streamById(database, streamRow);
  const stretch = { stream, epoch: epochById(database, epochId) };
  const picked = beginAt(stream);
  let afterId = 0;
  for (;;) {
    const row = database.prepare("SELECT * FROM journal_chunk WHERE id > ? ORDER BY id LIMIT 1").get(afterId);
    const chunk = row === null ? null : toChunk(row);
    if (chunk === null || chunk.stream !== streamRow || chunk.epoch !== epochId) break;
    if (!takeChunk(database, vault, stretch, chunk, picked, limits)) break;
    afterId = chunk.id;
  }
  return settle(database, stretch, picked);
};
