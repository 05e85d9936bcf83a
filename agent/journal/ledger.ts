// What one transaction of the journal does: numbers the readings, writes chunks, drops the oldest when full, remembers receipts.
// Works on a draft of the numbers, so that a transaction that is rolled back has changed nothing.
import type { Database, Vault } from "#agent/store/store.ts";
import type { ClockLine, ClockState, StampedReading } from "#agent/telemetry/reading.ts";
import type { EmitResult, Receipt } from "#drivers/driver.ts";
import { encodeChunk } from "./chunk.ts";
import { epochRow } from "./epochs.ts";
import { CHUNK_BYTES_MAX, CHUNK_READINGS_MAX } from "./limits.ts";
import { isRepeated, remember, type Unpruned } from "./receipts.ts";
import { type Boot, nextSeqOf, openStream, type Stream, streamById } from "./stream.ts";
import { CHUNK_CONTEXT } from "./tables.ts";

export interface JournalPolicy {
  readonly bytesMax: number;
  readonly whenFull: "reject" | "drop-oldest";
}

export interface Delivery {
  readonly driver: string;
  readonly readings: readonly StampedReading[];
  readonly clock: ClockState;
  /** Where the readings' times come from; absent: not from our clock, so they are never repaired. */
  readonly line?: ClockLine;
  readonly receipt?: Receipt | undefined;
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

/** The journal's numbers, kept in memory beside the tables that they are derived from. */
export interface Ledger {
  readonly stream: Stream;
  nextSeq: number;
  readings: number;
  bytes: number;
  lost: number;
  readonly unpruned: Unpruned;
}

const LOSS_REASON = "full";

export const loadLedger = (database: Database, boot: Boot, newStreamName: string): Ledger => {
  const stream = openStream(database, boot, newStreamName);
  const waiting = database
    .prepare(
      `SELECT coalesce(sum(c.count - max(0, s.next_pack - c.first_seq)), 0) AS readings,
              coalesce(sum(length(c.data)), 0) AS bytes
       FROM journal_chunk c JOIN journal_stream s ON s.id = c.stream`,
    )
    .get();
  return {
    stream,
    nextSeq: nextSeqOf(database, stream),
    readings: Number(waiting?.["readings"] ?? 0),
    bytes: Number(waiting?.["bytes"] ?? 0),
    lost: 0,
    unpruned: new Map(),
  };
};

/** Joined with the run before it where they touch: the oldest go one after the other, and the table stays as short as the gaps are few. */
const noteLoss = (database: Database, stream: number, from: number, count: number): void => {
  const { changes } = database
    .prepare(
      "UPDATE journal_loss SET count = count + ? WHERE stream = ? AND from_seq + count = ? AND reason = ?",
    )
    .run(count, stream, from, LOSS_REASON);
  if (changes > 0) return;
  database
    .prepare("INSERT INTO journal_loss (stream, from_seq, count, reason) VALUES (?, ?, ?, ?)")
    .run(stream, from, count, LOSS_REASON);
};

const dropOldest = (database: Database, draft: Ledger): boolean => {
  const oldest = database
    .prepare(
      "SELECT id, stream, first_seq, count, length(data) AS bytes FROM journal_chunk ORDER BY id LIMIT 1",
    )
    .get();
  if (oldest === null) return false;
  const stream = streamById(database, Number(oldest["stream"]));
  const from = Math.max(Number(oldest["first_seq"]), stream.nextPack);
  const count = Number(oldest["first_seq"]) + Number(oldest["count"]) - from;
  database.prepare("DELETE FROM journal_chunk WHERE id = ?").run(Number(oldest["id"]));
  noteLoss(database, stream.rowId, from, count);
  draft.bytes -= Number(oldest["bytes"]);
  draft.readings -= count;
  draft.lost += count;
  return true;
};

const roughSize = ({ name, value }: StampedReading): number => {
  const size = typeof value === "string" || value instanceof Uint8Array ? value.length : 8;
  return name.length + 48 + size;
};

/** A rough size before sealing, to know in time whether the journal is full: a number with its name, or text of its own length. */
export const roughBytes = (readings: readonly StampedReading[]): number =>
  readings.reduce((sum, reading) => sum + roughSize(reading), 0);

interface Run {
  readonly clock: ClockState;
  readonly line: ClockLine | null;
  readonly readings: StampedReading[];
  bytes: number;
}

const writeChunk = (
  database: Database,
  vault: Vault,
  draft: Ledger,
  { clock, line, readings }: Run,
): void => {
  const data = vault.seal(CHUNK_CONTEXT, encodeChunk(readings));
  database
    .prepare("INSERT INTO journal_chunk (stream, first_seq, count, epoch, data) VALUES (?, ?, ?, ?, ?)")
    .run(
      draft.stream.rowId,
      draft.nextSeq,
      readings.length,
      epochRow(database, draft.stream.rowId, clock, line),
      data,
    );
  draft.nextSeq += readings.length;
  draft.readings += readings.length;
  draft.bytes += data.length;
};

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

/** Writes the deliveries that are new; gives the outcome of each and the numbers as they are after the commit. */
export const writeDeliveries = (
  database: Database,
  vault: Vault,
  ledger: Ledger,
  policy: JournalPolicy,
  deliveries: readonly Delivery[],
): { readonly draft: Ledger; readonly results: readonly EmitResult[]; readonly written: Written } => {
  const draft = { ...ledger };
  const fresh: Delivery[] = [];
  const results = deliveries.map((delivery): EmitResult => {
    const { driver, receipt } = delivery;
    if (receipt !== undefined && isRepeated(database, driver, receipt)) return { outcome: "repeated" };
    if (receipt !== undefined) remember(database, ledger.unpruned, driver, receipt);
    fresh.push(delivery);
    return { outcome: "durable" };
  });
  if (policy.whenFull === "drop-oldest") {
    const needed = fresh.reduce((sum, { readings }) => sum + roughBytes(readings), 0);
    while (draft.bytes + needed > policy.bytesMax && dropOldest(database, draft));
  }
  for (const run of runsOf(fresh)) writeChunk(database, vault, draft, run);
  const written = { stream: ledger.stream.name, firstSeq: ledger.nextSeq, deliveries: fresh };
  return { draft, results, written };
};
