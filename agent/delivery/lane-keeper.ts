// Looks at the lanes alarm, reply and state now and then: stamps what has begun to wait, lets give way what is over its bounds, and tells the people room of it
// once the link is there. What leaves at once is never touched: it costs no write.
import { notice } from "#agent/matrix/relations.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Database, Store } from "#agent/store/store.ts";
import { timeText } from "#agent/telemetry/lines.ts";
import {
  BOUNDED_LANES,
  boundLane,
  type EventLoss,
  forgetLosses,
  stampUntil,
  TELLS_LOSSES,
  untoldLosses,
} from "./lane-bounds.ts";
import type { LanesConfig } from "./lanes-schema.ts";
import { LANES_LOOK_MS, LANES_REST_MS } from "./limits.ts";
import { put } from "./outbox.ts";

export interface LaneKeeperOptions {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly config: LanesConfig;
  readonly device: string;
  readonly namespace: string;
  readonly peopleRoom: string;
  readonly linkUp: () => boolean;
  /** The wall clock, and whether it means anything. */
  readonly nowMs: () => number;
  readonly clockKnown: () => boolean;
  /** Something was put into the outbox. */
  readonly wake: () => void;
}

const WHAT: Readonly<Record<string, string>> = {
  alarm: "of the lane of alarms",
  reply: "of the lane of replies",
  state: "of the lane of the status",
};

const WHY: Readonly<Record<EventLoss["reason"], string>> = {
  full: "more waited than may wait",
  aged: "they waited too long",
};

const lossLine = ({ count, fromMs, lane, reason, untilMs }: EventLoss): string =>
  `${count} ${WHAT[lane] ?? lane}: ${WHY[reason]}; from ${timeText(fromMs)} to ${timeText(untilMs)} UTC`;

/** For people, and in `<namespace>.lost_events` for machines. */
export const lossNotice = (device: string, namespace: string, losses: readonly EventLoss[]): JsonObject => ({
  ...notice(`${device}: events could not be delivered and are lost:\n${losses.map(lossLine).join("\n")}`),
  [`${namespace}.lost_events`]: losses.map(({ count, fromMs, lane, reason, untilMs }) => ({
    lane,
    reason,
    count,
    from: fromMs,
    until: untilMs,
  })),
});

const waitingUntil = (database: Database): number =>
  Number(database.prepare("SELECT max(id) AS id FROM outbox WHERE lane <> 'bulk'").get()?.["id"] ?? 0);

const needsStamp = (database: Database, id: number): boolean =>
  database
    .prepare("SELECT 1 FROM outbox WHERE id <= ? AND at_ms IS NULL AND lane <> 'bulk' LIMIT 1")
    .get(id) !== null;

export class LaneKeeper {
  readonly #options: LaneKeeperOptions;
  #lookedMono = Number.NEGATIVE_INFINITY;
  /** The newest row that the last look saw: what is there still has begun to wait. */
  #seenId = 0;
  #running: Promise<void> | null = null;
  /** Asked for since the last look began. */
  #again = false;
  #stopped = false;
  #cancelTimer: (() => void) | null = null;

  constructor(options: LaneKeeperOptions) {
    this.#options = options;
  }

  /** Something was put, or left. Looks at once, but no more than once a second. Never throws. */
  look(): void {
    if (this.#stopped) return;
    this.#again = true;
    if (this.#running !== null) return;
    const waitMs = this.#lookedMono + LANES_REST_MS - this.#options.runtime.clock.monoMs();
    if (waitMs > 0) this.#arm(waitMs);
    else this.#now();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#running;
  }

  #now(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#stopped || this.#running !== null) return;
    const { clock, log } = this.#options.runtime;
    this.#lookedMono = clock.monoMs();
    this.#again = false;
    // A store that failed says so itself; one that is busy is asked again.
    this.#running = this.#sweep()
      .catch((error: unknown) => log.debug({ error: String(error) }, "the lanes could not be looked at"))
      .finally(() => {
        this.#running = null;
        // What was put during this look may have come too late for it.
        this.#arm(this.#again ? LANES_REST_MS : LANES_LOOK_MS);
      });
  }

  #arm(delayMs: number): void {
    const { runtime, store } = this.#options;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#stopped || store.failed.aborted) return;
    this.#cancelTimer = runtime.timers.after(delayMs, () => this.#now());
  }

  async #sweep(): Promise<void> {
    const { store } = this.#options;
    const seen = this.#seenId;
    this.#seenId = store.read(waitingUntil);
    if (this.#seenId === 0 && store.read(untoldLosses).length === 0) return;
    if (store.read((database) => needsStamp(database, seen)))
      await store.transaction((database) => stampUntil(database, seen, this.#times()));
    const gone = await this.#bound();
    if (gone > 0)
      this.#options.runtime.log.warn(
        { events: gone },
        "events that waited gave way: delivery.lanes bounds them",
      );
    if (this.#options.linkUp()) await this.#tell();
  }

  #times(): { monoMs: number; wallMs: number } {
    return { monoMs: this.#options.runtime.clock.monoMs(), wallMs: this.#options.nowMs() };
  }

  /** Looks first, so that what is within its bounds costs no transaction. */
  #bound(): Promise<number> {
    const { clockKnown, config, store } = this.#options;
    const { monoMs, wallMs } = this.#times();
    const now = { monoMs, wallMs: clockKnown() ? wallMs : null, anyWallMs: wallMs };
    const over = store.read((database) =>
      BOUNDED_LANES.filter(
        (lane) => isOver(database, lane, config[lane].max_bytes) || mayBeAged(database, lane),
      ),
    );
    if (over.length === 0) return Promise.resolve(0);
    return store.transaction((database) =>
      over.reduce((sum, lane) => sum + boundLane(database, lane, config[lane], now), 0),
    );
  }

  async #tell(): Promise<void> {
    const { device, namespace, peopleRoom, runtime, store, wake } = this.#options;
    if (store.read(untoldLosses).length === 0) return;
    const told = await store.transaction((database) => {
      const losses = untoldLosses(database);
      const waits = database.prepare("SELECT 1 FROM outbox WHERE merge_key = ?").get(TELLS_LOSSES) !== null;
      // One that waits still holds the numbers of before: it must not be replaced.
      if (losses.length === 0 || waits) return false;
      const content = lossNotice(device, namespace, losses);
      const event = { lane: "reply" as const, roomId: peopleRoom, type: "m.room.message", content };
      put(database, store.vault, runtime.random, { ...event, mergeKey: TELLS_LOSSES });
      forgetLosses(database);
      return true;
    });
    if (told) wake();
  }
}

const isOver = (database: Database, lane: string, bytesMax: number): boolean =>
  Number(
    database
      .prepare("SELECT coalesce(sum(length(content)), 0) AS bytes FROM outbox WHERE lane = ?")
      .get(lane)?.["bytes"] ?? 0,
  ) > bytesMax;

/** Something waits for so long that it has a time of its own. */
const mayBeAged = (database: Database, lane: string): boolean =>
  database.prepare("SELECT 1 FROM outbox WHERE lane = ? AND at_ms IS NOT NULL LIMIT 1").get(lane) !== null;
