// What one transaction of the journal does: numbers the readings, writes chunks, lets give way what is over the bounds, remembers receipts.
// Works on a draft of the numbers, so that a transaction that is rolled back has changed nothing.
import type { Database, Vault } from "#agent/store/store.ts";
import type { ClockLine, ClockState, StampedReading } from "#agent/telemetry/reading.ts";
import type { EmitResult, Receipt } from "#drivers/driver.ts";
import { type KnownBoot, type Now, noteKnownClock, openBoot } from "./boots.ts";
import { giveWay, type JournalPolicy } from "./bounds.ts";
import { encodeChunk } from "./chunk.ts";
import { epochRow } from "./epochs.ts";
import { CHUNK_BYTES_MAX, CHUNK_READINGS_MAX } from "./limits.ts";
import { countLost, type LossReason, noteLoss } from "./losses.ts";
import type { ChannelCounts } from "./lost-channels.ts";
import { isRepeated, remember, type Unpruned } from "./receipts.ts";
import { type Boot, nextChunkOf, nextSeqOf, openStream, type Stream } from "./stream.ts";
import { CHUNK_CONTEXT } from "./tables.ts";

export type { JournalPolicy } from "./bounds.ts";

export interface Delivery {
  readonly driver: string;
  readonly readings: readonly StampedReading[];
  readonly clock: ClockState;
  /** Where the readings' times come from; absent: not from our clock, so they are never repaired. */
  readonly line?: ClockLine;
  readonly receipt?: Receipt | undefined;
  /** How long it may wait in memory for others (`delivery.flush`); absent or 0: it is made durable at once. */
  readonly flushMs?: number;
}

/** What one transaction of the journal writes, told within it. */
export interface Written {
  readonly stream: string;
  /** Number of the first reading; the others follow one by one, in the order of the deliveries. */
  readonly firstSeq: number;
  readonly deliveries: readonly Delivery[];
}

/** Writes, in the same transaction, what must be true together with the readings (an alarm that one of them raises). A throw rolls them back. */
export type Witness = (database: Database, written: Written) => void;

/** Readings that never got a number: refused, or not taken by the store. They get numbers with the next transaction, so that the room is told. */
export interface Unnumbered {
  readonly reason: LossReason;
  readonly count: number;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly channels: ChannelCounts;
}

/** The journal's numbers, kept in memory beside the tables that they are derived from. */
export interface Ledger {
  boot: KnownBoot;
  stream: Stream;
  nextSeq: number;
  nextChunk: number;
  /** Chunks up to this one are on their way as a file. */
  reserved: number;
  readings: number;
  /** Those of `readings` that are of the live stream. */
  live: number;
  bytes: number;
  lost: number;
  readonly unpruned: Unpruned;
}

export const loadLedger = (database: Database, boot: Boot, newStreamName: string): Ledger => {
  const known = openBoot(database, boot.id);
  const stream = openStream(database, boot, known.id, newStreamName);
  const waiting = database
    .prepare(
      `SELECT coalesce(sum(c.count - max(0, s.next_pack - c.first_seq)), 0) AS readings,
              coalesce(sum((c.count - max(0, s.next_pack - c.first_seq)) * (s.id = ?)), 0) AS live,
              coalesce(sum(length(c.data)), 0) AS bytes
       FROM journal_chunk c JOIN journal_stream s ON s.id = c.stream`,
    )
    .get(stream.rowId);
  return {
    boot: known,
    stream,
    nextSeq: nextSeqOf(database, stream),
    nextChunk: nextChunkOf(database, stream),
    reserved: 0,
    readings: Number(waiting?.["readings"] ?? 0),
    live: Number(waiting?.["live"] ?? 0),
    bytes: Number(waiting?.["bytes"] ?? 0),
    lost: 0,
    unpruned: new Map(),
  };
};

const roughSize = ({ name, value }: StampedReading): number => {
  const size = typeof value === "string" || value instanceof Uint8Array ? value.length : 8;
  return name.length + 48 + size;
};

/** A rough size before sealing, to know in time whether the journal is full: a number with its name, or text of its own length. */
export const roughBytes = (readings: readonly StampedReading[]): number =>
  readings.reduce((sum, reading) => sum + roughSize(reading), 0);

const writeChunk = (
  database: Database,
  vault: Vault,
  draft: Ledger,
  now: Now & { readonly anyWallMs: number },
  { clock, line, readings }: Run,
): void => {
  const data = vault.seal(CHUNK_CONTEXT, encodeChunk(readings));
  database
    .prepare(
      "INSERT INTO journal_chunk (id, stream, first_seq, count, epoch, at_mono, at_ms, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .run(
      draft.nextChunk,
      draft.stream.rowId,
      draft.nextSeq,
      readings.length,
      epochRow(database, draft.stream.rowId, clock, line),
      Math.round(now.monoMs),
      Math.round(now.anyWallMs),
      data,
    );
  draft.nextChunk += 1;
  draft.nextSeq += readings.length;
  draft.readings += readings.length;
  draft.live += readings.length;
  draft.bytes += data.length;
};

interface Run {
  readonly clock: ClockState;
  readonly line: ClockLine | null;
  readonly readings: StampedReading[];
  bytes: number;
}

/** A reading that its source stamped goes apart from the others where their times are, or may yet be, corrected. */
const lineFor = ({ clock, line }: Delivery, { ownTime }: StampedReading): ClockLine | null =>
  line === undefined || (ownTime === true && (clock === "unset" || line.offsetMs !== 0)) ? null : line;

/** Runs of readings that may share a chunk: one state and line of the clock, a bounded number and size. */
const runsOf = (deliveries: readonly Delivery[]): Run[] => {
  const runs: Run[] = [];
  for (const delivery of deliveries) {
    const { clock } = delivery;
    for (const reading of delivery.readings) {
      const line = lineFor(delivery, reading);
      const bytes = roughSize(reading);
      const last = runs.at(-1);
      if (
        last?.clock === clock &&
        last.line?.baseMs === line?.baseMs &&
        last.line?.offsetMs === line?.offsetMs &&
        last.readings.length < CHUNK_READINGS_MAX &&
        last.bytes + bytes <= CHUNK_BYTES_MAX
      ) {
        last.readings.push(reading);
        last.bytes += bytes;
      } else runs.push({ clock, line, readings: [reading], bytes });
    }
  }
  return runs;
};

/** The first moment of this boot at which the clock is known is what later ages are reckoned from. */
const noteClock = (database: Database, draft: Ledger, now: Now): void => {
  if (now.wallMs === null || draft.boot.knownMono !== null) return;
  noteKnownClock(database, draft.boot.id, now.monoMs, now.wallMs);
  draft.boot = { ...draft.boot, knownMono: now.monoMs, knownWall: now.wallMs };
};

const numberLosses = (
  database: Database,
  vault: Vault,
  draft: Ledger,
  unnumbered: readonly Unnumbered[],
): void => {
  for (const loss of unnumbered) {
    noteLoss(database, vault, draft.stream.rowId, { ...loss, from: draft.nextSeq });
    countLost(database, loss.reason, loss.count);
    draft.nextSeq += loss.count;
  }
};

export interface WriteContext {
  readonly vault: Vault;
  readonly policy: JournalPolicy;
  readonly now: { readonly monoMs: number; readonly wallMs: number };
  readonly unnumbered: readonly Unnumbered[];
}

const acceptNew = (
  database: Database,
  ledger: Ledger,
  deliveries: readonly Delivery[],
): { readonly fresh: readonly Delivery[]; readonly results: readonly EmitResult[] } => {
  const fresh: Delivery[] = [];
  const results = deliveries.map((delivery): EmitResult => {
    const { driver, receipt } = delivery;
    if (receipt !== undefined && isRepeated(database, driver, receipt)) return { outcome: "repeated" };
    if (receipt !== undefined) remember(database, ledger.unpruned, driver, receipt);
    fresh.push(delivery);
    return { outcome: "durable" };
  });
  return { fresh, results };
};

/** Writes the deliveries that are new; gives the outcome of each and the numbers as they are after the commit. */
export const writeDeliveries = (
  database: Database,
  ledger: Ledger,
  { now: { monoMs, wallMs }, policy, unnumbered, vault }: WriteContext,
  deliveries: readonly Delivery[],
): { readonly draft: Ledger; readonly results: readonly EmitResult[]; readonly written: Written } => {
  const draft = { ...ledger };
  const { fresh, results } = acceptNew(database, ledger, deliveries);
  const isKnown = fresh.some(({ clock }) => clock !== "unset");
  const now = { monoMs, wallMs: isKnown ? wallMs : null };
  noteClock(database, draft, now);
  numberLosses(database, vault, draft, unnumbered);
  const needed = fresh.reduce((sum, { readings }) => sum + roughBytes(readings), 0);
  giveWay(database, vault, draft, policy, now, needed);
  const written = { stream: draft.stream.name, firstSeq: draft.nextSeq, deliveries: fresh };
  for (const run of runsOf(fresh)) writeChunk(database, vault, draft, { ...now, anyWallMs: wallMs }, run);
  return { draft, results, written };
};
