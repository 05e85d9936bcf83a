// What the lanes alarm, reply and state may hold, in bytes and age: the oldest gives way, and is counted, dated and told. Only rows; when to look is
// lane-keeper.ts. What may have reached its room (an attempt in doubt) never gives way: it would be told as lost and be there.
import { ageMs, bootById, type Now, newestBoot } from "#agent/journal/boots.ts";
import type { Database, Row } from "#agent/store/store.ts";
import type { BoundedLane, LaneConfig } from "./lanes-schema.ts";

export const BOUNDED_LANES: readonly BoundedLane[] = ["alarm", "reply", "state"];

export interface EventLoss {
  readonly lane: string;
  readonly reason: "full" | "aged";
  readonly count: number;
  /** When the first and the last of them were put, wall time. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/** The event that tells of losses: it gives way to nothing. */
export const TELLS_LOSSES = "lost events";

/** Rows up to this one that still wait get the time as their own: they came since the last look. Gives how many. */
export const stampUntil = (
  database: Database,
  id: number,
  now: { monoMs: number; wallMs: number },
): number => {
  const boot = newestBoot(database);
  return database
    .prepare(
      "UPDATE outbox SET boot = ?, at_mono = ?, at_ms = ? WHERE id <= ? AND at_ms IS NULL AND lane <> 'bulk'",
    )
    .run(boot?.id ?? null, Math.round(now.monoMs), Math.round(now.wallMs), id).changes;
};

const isAged = (database: Database, row: Row, now: Now, ageMaxMs: number): boolean => {
  const current = newestBoot(database);
  if (current === null || typeof row["boot"] !== "number" || typeof row["at_mono"] !== "number") return false;
  const age = ageMs(now, current, bootById(database, row["boot"]), row["at_mono"]);
  return age !== null && age > ageMaxMs;
};

const noteLoss = (database: Database, lane: string, reason: EventLoss["reason"], atMs: number): void => {
  database
    .prepare(
      `INSERT INTO outbox_loss (lane, reason, count, from_ms, until_ms) VALUES (?1, ?2, 1, ?3, ?3)
       ON CONFLICT (lane, reason) DO UPDATE SET count = count + 1, from_ms = min(from_ms, ?3), until_ms = max(until_ms, ?3)`,
    )
    .run(lane, reason, Math.round(atMs));
  database
    .prepare(
      "INSERT INTO outbox_lost (lane, reason, count) VALUES (?, ?, 1) ON CONFLICT (lane, reason) DO UPDATE SET count = count + 1",
    )
    .run(lane, reason);
};

/** Drops what has waited too long, then the oldest until the rest fits. Gives how many went. */
export const boundLane = (
  database: Database,
  lane: BoundedLane,
  { max_age: ageMaxMs, max_bytes: bytesMax }: LaneConfig,
  now: Now & { readonly anyWallMs: number },
): number => {
  const rows = database
    .prepare(
      "SELECT id, in_doubt, merge_key, boot, at_mono, at_ms, length(content) AS bytes FROM outbox WHERE lane = ? ORDER BY id",
    )
    .all(lane);
  let bytes = rows.reduce((sum, row) => sum + Number(row["bytes"]), 0);
  let gone = 0;
  for (const row of rows) {
    if (row["in_doubt"] === 1 || row["merge_key"] === TELLS_LOSSES) continue;
    const aged = isAged(database, row, now, ageMaxMs);
    if (!aged && bytes <= bytesMax) continue;
    database.prepare("DELETE FROM outbox WHERE id = ?").run(Number(row["id"]));
    noteLoss(database, lane, aged ? "aged" : "full", Number(row["at_ms"] ?? now.anyWallMs));
    bytes -= Number(row["bytes"]);
    gone += 1;
  }
  return gone;
};

/** Those that nobody was told of yet. */
export const untoldLosses = (database: Database): EventLoss[] =>
  database
    .prepare("SELECT * FROM outbox_loss ORDER BY lane, reason")
    .all()
    .map((row) => ({
      lane: String(row["lane"]),
      reason: row["reason"] === "aged" ? "aged" : "full",
      count: Number(row["count"]),
      fromMs: Number(row["from_ms"]),
      untilMs: Number(row["until_ms"]),
    }));

export const forgetLosses = (database: Database): void => {
  database.exec("DELETE FROM outbox_loss");
};

/** All that were ever dropped, by lane and reason. */
export const eventsLost = (database: Database): { lane: string; reason: string; count: number }[] =>
  database
    .prepare("SELECT * FROM outbox_lost ORDER BY lane, reason")
    .all()
    .map((row) => ({
      lane: String(row["lane"]),
      reason: String(row["reason"]),
      count: Number(row["count"]),
    }));
