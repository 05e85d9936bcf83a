// Reads the oldest readings of the backlog for a file without taking them: making and uploading it lasts, others write meanwhile, and if it comes to nothing
// the readings are where they were. Whole chunks only, so that they leave by one DELETE; those are reserved meanwhile, so that nothing gives way or is thinned.
//
//   beginAhead -> step, step ... (a few chunks each, others in between) -> upload -> takeAhead in the transaction that writes the event
import type { Database, Vault } from "#agent/store/store.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import type { ChunkRow } from "./chunk-row.ts";
import { epochById } from "./epochs.ts";
import type { Gone } from "./journal.ts";
import { LOSSES_PER_GAP_MAX } from "./limits.ts";
import { liveStream, streamById } from "./stream.ts";
import {
  addChunk,
  beginAt,
  chunkFrom,
  oldestOfBacklog,
  type Picked,
  type Stretch,
  settle,
  type TakeLimits,
  type Taken,
} from "./take.ts";

export interface AheadLimits extends TakeLimits {
  /** Runs of losses, so that an event has room for them. */
  readonly lossesMax: number;
  readonly lossBytesMax: number;
}

/** What was read so far. */
export interface Ahead {
  readonly stretch: Stretch;
  readonly firstChunk: number;
  readonly picked: Picked;
  lastChunk: number;
  chunks: number;
  readings: number;
  /** Of the readings, by `sizeOf`. */
  bytes: number;
  ended: boolean;
}

/** Null where no reading of a backlog waits, or a loss must be told before. */
export const beginAhead = (database: Database): Ahead | null => {
  const live = liveStream(database);
  const first = live === null ? null : oldestOfBacklog(database, live);
  if (first === null) return null;
  const forgotten = database.prepare("SELECT 1 FROM journal_loss WHERE stream < ? LIMIT 1").get(first.stream);
  if (forgotten !== null) return null;
  const stream = streamById(database, first.stream);
  return {
    stretch: { stream, epoch: epochById(database, first.epoch) },
    firstChunk: first.id,
    picked: beginAt(stream),
    lastChunk: first.id - 1,
    chunks: 0,
    readings: 0,
    bytes: 0,
    ended: false,
  };
};

/** Everything fits: the chunk was asked about before. */
const WHOLE: Pick<TakeLimits, "readingsMax" | "bytesMax" | "sizeOf"> = {
  readingsMax: Number.POSITIVE_INFINITY,
  bytesMax: Number.POSITIVE_INFINITY,
  sizeOf: () => 0,
};

const isOfStretch = (ahead: Ahead, chunk: ChunkRow, epoch: number): boolean =>
  chunk.stream === ahead.stretch.stream.rowId && chunk.epoch === epoch;

const isFull = ({ bytes, picked, readings }: Ahead, chunk: ChunkRow, limits: AheadLimits): boolean =>
  readings > 0 &&
  (readings + chunk.count > limits.readingsMax ||
    bytes > limits.bytesMax ||
    picked.lost.length + LOSSES_PER_GAP_MAX > limits.lossesMax ||
    picked.bytes > limits.lossBytesMax);

/** Reads up to `chunksMax` chunks more and gives their readings; `ended` is set when no more belong to the file. */
export const readOn = (
  database: Database,
  vault: Vault,
  ahead: Ahead,
  limits: AheadLimits,
  chunksMax: number,
): readonly StampedReading[] => {
  const { picked, stretch } = ahead;
  const epoch = chunkFrom(database, ahead.firstChunk)?.epoch ?? -1;
  const whole = { ...limits, ...WHOLE };
  for (let read = 0; read < chunksMax; read += 1) {
    const chunk = chunkFrom(database, ahead.lastChunk + 1);
    ahead.ended = chunk === null || !isOfStretch(ahead, chunk, epoch) || isFull(ahead, chunk, limits);
    if (chunk === null || ahead.ended) break;
    addChunk(database, vault, stretch, chunk, picked, whole);
    ahead.lastChunk = chunk.id;
    ahead.chunks += 1;
  }
  const readings = picked.readings.splice(0);
  ahead.readings += readings.length;
  ahead.bytes += readings.reduce((sum, reading) => sum + limits.sizeOf(reading), 0);
  return readings;
};

/** What the event is told of. */
export const headOfAhead = ({ picked, stretch: { epoch, stream } }: Ahead): Omit<Taken, "readings"> => ({
  stream,
  clock: epoch.clock,
  offsetMs: epoch.offsetMs,
  seq: stream.nextPack,
  lost: picked.lost,
  unreadable: picked.unreadable,
  expired: picked.expired,
  bytesFreed: picked.bytesFreed,
});

/** Whether all is as it was read: nothing was packed, and its times were not repaired meanwhile. */
const isUnchanged = (database: Database, ahead: Ahead): boolean => {
  const { chunks, firstChunk, lastChunk, stretch } = ahead;
  const first = chunkFrom(database, firstChunk);
  if (first?.id !== firstChunk || first.stream !== stretch.stream.rowId) return false;
  const epoch = epochById(database, first.epoch);
  const there = database
    .prepare("SELECT count(*) AS n FROM journal_chunk WHERE id BETWEEN ? AND ?")
    .get(firstChunk, lastChunk);
  return (
    Number(there?.["n"]) === chunks &&
    streamById(database, stretch.stream.rowId).nextPack === stretch.stream.nextPack &&
    epoch.clock === stretch.epoch.clock &&
    epoch.offsetMs === stretch.epoch.offsetMs
  );
};

/** Takes what was read out of the journal, in the caller's transaction. Null, and nothing is taken, where it is not any more what was read. */
export const takeAhead = (database: Database, ahead: Ahead): Gone | null => {
  if (!isUnchanged(database, ahead)) return null;
  database
    .prepare("DELETE FROM journal_chunk WHERE id BETWEEN ? AND ?")
    .run(ahead.firstChunk, ahead.lastChunk);
  const taken = settle(database, ahead.stretch, ahead.picked);
  return { ...taken, readings: { length: ahead.readings } };
};
