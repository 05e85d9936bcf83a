// Stretches of the clock, as chunks refer to them. A chunk keeps raw times; what must be added to them stands in its epoch's row, so that readings that
// were taken before the clock was known get their times by one small write, however many wait (DESIGN 4: "repaired once it is, the raw value stays").
import type { Database, Row } from "#agent/store/store.ts";
import type { ClockLine, ClockState } from "#agent/telemetry/reading.ts";

export interface EpochRow {
  readonly clock: ClockState;
  readonly offsetMs: number;
}

const CLOCKS: readonly ClockState[] = ["unset", "rtc", "ntp", "gps"];

const toEpoch = (row: Row): EpochRow => ({
  clock: CLOCKS.find((clock) => clock === row["clock"]) ?? "unset",
  offsetMs: Number(row["offset_ms"]),
});

export const epochById = (database: Database, id: number): EpochRow => {
  const row = database.prepare("SELECT * FROM journal_epoch WHERE id = ?").get(id);
  if (row === null) throw new Error(`journal: a chunk belongs to epoch ${id}, which is not there`);
  return toEpoch(row);
};

/** Epochs are numbered in the order of their chunks: what is below the oldest chunk's is of no use any more. */
const forget = (database: Database): void => {
  const oldest = database.prepare("SELECT epoch FROM journal_chunk ORDER BY id LIMIT 1").get();
  const until = oldest === null ? Number.MAX_SAFE_INTEGER : Number(oldest["epoch"]);
  database
    .prepare("DELETE FROM journal_epoch WHERE id < min(?, (SELECT max(id) FROM journal_epoch))")
    .run(until);
};

/** A known clock gives all readings of the boot from before their times: monotonic time is the same clock throughout. */
export const repairTimes = (database: Database, stream: number, clock: ClockState, line: ClockLine): void => {
  if (clock === "unset") return;
  database
    .prepare(
      `UPDATE journal_epoch SET clock = ?, offset_ms = ? - base_ms WHERE clock = 'unset' AND base_ms IS NOT NULL AND stream IN
         (SELECT s.id FROM journal_stream s JOIN journal_stream l ON l.boot_row = s.boot_row WHERE l.id = ?)`,
    )
    .run(clock, line.baseMs + line.offsetMs, stream);
};

/** The row for chunks that are written now: the newest one if nothing has changed, else a new one. */
export const epochRow = (
  database: Database,
  stream: number,
  clock: ClockState,
  line: ClockLine | null,
): number => {
  const baseMs = line?.baseMs ?? null;
  const offsetMs = line?.offsetMs ?? 0;
  const newest = database.prepare("SELECT * FROM journal_epoch ORDER BY id DESC LIMIT 1").get();
  const isSame =
    newest !== null &&
    newest["stream"] === stream &&
    newest["clock"] === clock &&
    newest["base_ms"] === baseMs &&
    newest["offset_ms"] === offsetMs;
  if (isSame) return Number(newest["id"]);
  forget(database);
  if (line !== null) repairTimes(database, stream, clock, line);
  const { lastInsertRowid } = database
    .prepare("INSERT INTO journal_epoch (stream, clock, base_ms, offset_ms) VALUES (?, ?, ?, ?)")
    .run(stream, clock, baseMs, offsetMs);
  return Number(lastInsertRowid);
};
