// Numbers of a stream that will never come: which, why, and when their readings were taken. Told to the room by the next event of their stream.
import type { Database, Row, Vault } from "#agent/store/store.ts";
import type { Loss } from "#agent/telemetry/reading.ts";
import { LOSSES_PER_GAP_MAX } from "./limits.ts";
import { addCounts, type ChannelCounts, NO_CHANNELS, openCounts, sealCounts } from "./lost-channels.ts";

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
  /** Where it is known whose readings they were. */
  readonly channels?: ChannelCounts;
}

/** Readings are lost now: the one place where all reasons are counted, in the transaction that loses them. */
export const countLost = (database: Database, reason: LossReason, count: number): void => {
  if (count <= 0) return;
  database
    .prepare(
      "INSERT INTO journal_lost (reason, count) VALUES (?1, ?2) ON CONFLICT (reason) DO UPDATE SET count = count + ?2",
    )
    .run(reason, count);
};

/** All that were lost since this store was made, by reason. */
export const lostByReason = (database: Database): Readonly<Record<string, number>> =>
  Object.fromEntries(
    database
      .prepare("SELECT reason, count FROM journal_lost ORDER BY reason")
      .all()
      .map((row) => [String(row["reason"]), Number(row["count"])]),
  );

/** Joined with the run before it where they touch: the oldest go one after the other, and the table stays as short as the gaps are few. */
export const noteLoss = (
  database: Database,
  vault: Vault,
  stream: number,
  { channels = NO_CHANNELS, count, from, fromMs, reason, untilMs }: NewLoss,
): void => {
  if (count <= 0) return;
  const before = database
    .prepare(
      "SELECT rowid AS id, channels FROM journal_loss WHERE stream = ? AND from_seq + count = ? AND reason = ?",
    )
    .get(stream, from, reason);
  if (before !== null) {
    const both = addCounts(openCounts(vault, before["channels"]), channels);
    database
      .prepare(
        "UPDATE journal_loss SET count = count + ?1, until_ms = max(coalesce(until_ms, ?2), ?2), channels = ?3 WHERE rowid = ?4",
      )
      .run(count, Math.round(untilMs), sealCounts(vault, both), Number(before["id"]));
    return;
  }
  database
    .prepare(
      "INSERT INTO journal_loss (stream, from_seq, count, reason, from_ms, until_ms, channels) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .run(stream, from, count, reason, Math.round(fromMs), Math.round(untilMs), sealCounts(vault, channels));
};

/** What is known of a run beside its numbers. */
type Known = Pick<Loss, "fromMs" | "untilMs" | "channels">;

const knownOf = (vault: Vault, row: Row): Known => {
  const { from_ms: fromMs, until_ms: untilMs } = row;
  const channels = openCounts(vault, row["channels"]);
  return {
    ...(typeof fromMs === "number" && typeof untilMs === "number" ? { fromMs, untilMs } : {}),
    ...(channels.size === 0 ? {} : { channels }),
  };
};

const both = (left: Known, right: Known): Known => {
  const froms = [left.fromMs, right.fromMs].filter((ms) => ms !== undefined);
  const untils = [left.untilMs, right.untilMs].filter((ms) => ms !== undefined);
  const channels = addCounts(left.channels ?? NO_CHANNELS, right.channels ?? NO_CHANNELS);
  return {
    ...(froms.length === 0 ? {} : { fromMs: Math.min(...froms) }),
    ...(untils.length === 0 ? {} : { untilMs: Math.max(...untils) }),
    ...(channels.size === 0 ? {} : { channels }),
  };
};

const severalOf = (losses: readonly Loss[], from: number, until: number): Loss => ({
  from,
  count: until - from,
  reason: "several",
  ...losses.reduce<Known>((all, loss) => both(all, loss), {}),
});

/** Losses in [from, until), in order, neighbours of one reason joined; a stretch that no row explains is "unknown". */
export const lossesBetween = (
  database: Database,
  vault: Vault,
  stream: number,
  from: number,
  until: number,
): Loss[] => {
  if (until <= from) return [];
  const rows = database
    .prepare(
      "SELECT * FROM journal_loss WHERE stream = ? AND from_seq < ? AND from_seq + count > ? ORDER BY from_seq",
    )
    .all(stream, until, from);
  const losses: Loss[] = [];
  let next = from;
  const add = (end: number, reason: string, known: Known = {}): void => {
    if (end <= next) return;
    const last = losses.at(-1);
    if (last?.reason === reason)
      losses[losses.length - 1] = { ...last, count: last.count + end - next, ...both(last, known) };
    else losses.push({ from: next, count: end - next, reason, ...known });
    next = end;
  };
  for (const row of rows) {
    add(Math.min(Number(row["from_seq"]), until), "unknown");
    add(
      Math.min(Number(row["from_seq"]) + Number(row["count"]), until),
      String(row["reason"]),
      knownOf(vault, row),
    );
  }
  add(until, "unknown");
  return losses.length > LOSSES_PER_GAP_MAX ? [severalOf(losses, from, until)] : losses;
};
