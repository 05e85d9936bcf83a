// How much waits in the outbox, by lane: for who looks from outside (metrics, status).
import type { Database } from "#agent/store/store.ts";
import { LANES, type Lane } from "./lanes.ts";
import { deadLetters } from "./outbox.ts";

export interface LaneDepth {
  readonly lane: Lane;
  readonly events: number;
  /** Sealed. */
  readonly bytes: number;
}

export interface OutboxDepth {
  readonly lanes: readonly LaneDepth[];
  readonly dead: number;
}

export const laneDepth = (database: Database, lane: Lane): LaneDepth => {
  const row = database
    .prepare(
      "SELECT count(*) AS events, coalesce(sum(length(content)), 0) AS bytes FROM outbox WHERE lane = ?",
    )
    .get(lane);
  return { lane, events: Number(row?.["events"] ?? 0), bytes: Number(row?.["bytes"] ?? 0) };
};

export const wholeOutbox = (database: Database): OutboxDepth => ({
  lanes: LANES.map((lane) => laneDepth(database, lane)),
  dead: deadLetters(database),
});
