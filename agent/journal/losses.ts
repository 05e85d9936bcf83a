// Numbers of a stream that will never come: which, why, and when their readings were taken. Told to the room by the next event of their stream.
import type { Database } from "#agent/store/store.ts";
import type { Loss } from "#agent/telemetry/reading.ts";
import { LOSSES_PER_GAP_MAX } from "./limits.ts";

/** Why readings were lost, as the room is told it. */
export type LossReason =
  | "full" // the oldest gave way to new ones
  | "aged" // waited longer than delivery.journal.max_age
  | "expired" // waited longer than their channel's retention
  | "thinned" // full, and delivery.journal.when_full is thin
  | "refused" // full, and it is reject; or the disk was too slow
  | "store" // accepted into memory within the flush interval, and the store would not take them
  | "unreadable"; // the disk changed them

export interface NewLoss {
  readonly from: number;
  readonly count: number;
  readonly reason: LossReason;
  /** When the readings were taken or refused, wall time: the first and the last of them. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Joined with the run before it where they touch: the oldest go one after the other, and the table stays as short as the gaps are few. */
export const noteLoss = (
  database: Database,
  stream: number,
  { count, from, fromMs, reason, untilMs }: NewLoss,
): void => {
  if (count <= 0) return;
  const { changes } = database
    .prepare(
      `UPDATE journal_loss SET count = count + ?1, until_ms = max(coalesce(until_ms, ?4), ?4)
       WHERE stream = ?2 AND from_seq + count = ?3 AND reason = ?5`,
    )
    .run(count, stream, from, Math.round(untilMs), reason);
  if (changes > 0) return;
  database
    .prepare(
      "INSERT INTO journal_loss (stream, from_seq, count, reason, from_ms, until_ms) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .run(stream, from, count, reason, Math.round(fromMs), Math.round(untilMs));
};

interface Stretch extends Loss {
  readonly fromMs?: number;
  readonly untilMs?: number;
}

const dated = (row: Readonly<Record<string, unknown>>): { fromMs?: number; untilMs?: number } => {
  const { from_ms: fromMs, until_ms: untilMs } = row;
  return typeof fromMs === "number" && typeof untilMs === "number" ? { fromMs, untilMs } : {};
};

const joined = (before: Stretch, count: number, when: { untilMs?: number }): Stretch => ({
  ...before,
  count: before.count + count,
  ...(when.untilMs === undefined ? {} : { untilMs: Math.max(before.untilMs ?? 0, when.untilMs) }),
});

const severalOf = (losses: readonly Stretch[], from: number, until: number): Stretch => {
  const times = losses.flatMap(({ fromMs, untilMs }) =>
    fromMs === undefined || untilMs === undefined ? [] : [fromMs, untilMs],
  );
  return {
    from,
    count: until - from,
    reason: "several",
    ...(times.length === 0 ? {} : { fromMs: Math.min(...times), untilMs: Math.max(...times) }),
  };
};

/** Losses in [from, until), in order, neighbours of one reason joined; a stretch that no row explains is "unknown". */
export const lossesBetween = (database: Database, stream: number, from: number, until: number): Loss[] => {
  if (until <= from) return [];
  const rows = database
    .prepare(
      "SELECT * FROM journal_loss WHERE stream = ? AND from_seq < ? AND from_seq + count > ? ORDER BY from_seq",
    )
    .all(stream, until, from);
  const losses: Stretch[] = [];
  let next = from;
  const add = (end: number, reason: string, when: { fromMs?: number; untilMs?: number } = {}): void => {
    if (end <= next) return;
    const last = losses.at(-1);
    if (last?.reason === reason) losses[losses.length - 1] = joined(last, end - next, when);
    else losses.push({ from: next, count: end - next, reason, ...when });
    next = end;
  };
  for (const row of rows) {
    add(Math.min(Number(row["from_seq"]), until), "unknown");
    add(Math.min(Number(row["from_seq"]) + Number(row["count"]), until), String(row["reason"]), dated(row));
  }
  add(until, "unknown");
  return losses.length > LOSSES_PER_GAP_MAX ? [severalOf(losses, from, until)] : losses;
};
