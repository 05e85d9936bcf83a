// How much waits in the outbox, by lane: for who looks from outside (metrics, status).
import type { Database } from "#agent/store/store.ts";
import { LANES, type Lane } from "./lanes.ts";
import { deadLetters } from "./outbox.ts";

export interface LaneDepth {
  readonly lane: Lane;
  readonly events: number;
  /** Sealed. */
  readonly bytes: number;
  /** Monotonic time since which the oldest waits, where it has waited long enough to be known, in this boot. */
  readonly sinceMono: number | null;
}

export interface OutboxDepth {
  readonly lanes: readonly LaneDepth[];
  readonly dead: number;
}

export const laneDepth = (database: Database, lane: Lane): LaneDepth => {
  const row = database
    .prepare(
      `SELECT count(*) AS events, coalesce(sum(length(content)), 0) AS bytes,
         min(at_mono) FILTER (WHERE boot IS (SELECT max(id) FROM journal_boot)) AS since FROM outbox WHERE lane = ?`,
    )
    .get(lane);
  const since = row?.["since"];
  return {
    lane,
    events: Number(row?.["events"] ?? 0),
    bytes: Number(row?.["bytes"] ?? 0),
    sinceMono: typeof since === "number" ? since : null,
  };
};

export const wholeOutbox = (database: Database): OutboxDepth => ({
  lanes: LANES.map((lane) => laneDepth(database, lane)),
  dead: deadLetters(database),
});
