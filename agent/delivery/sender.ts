// Sends what waits in the outbox: the most urgent lane first, one event of a lane under way at a time, each exactly once in the room.
//
//   head of lane -> in doubt? look for it -> mark the attempt, durable() -> PUT -> acknowledged: row gone
//                       found: row gone       failed: verdict (wait, set aside, stop)
import { type MatrixClient, MatrixError } from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import { type Store, StoreError } from "#agent/store/store.ts";
import { Budget } from "./budget.ts";
import { SendCounters, type SendTotals } from "./counters.ts";
import { Holds, Streaks } from "./holds.ts";
import { LANES, type Lane } from "./lanes.ts";
import { STORE_RETRY_MS } from "./limits.ts";
import { acknowledge, bury, clearDoubt, head, markAttempt, type OutboxRow } from "./outbox.ts";
import { inClear, type Preparer, type Wire } from "./prepare.ts";
import { beginSearch, findInRoom, type SearchProgress } from "./search.ts";
import { type Hold, isUnreachable, searchVerdictOf, type Verdict, verdictOf } from "./verdict.ts";

export interface SenderHooks {
  /** The homeserver answered, or did not. */
  link(up: boolean): void;
  /** A row left the outbox (sent or set aside): whoever fills it may put the next one in. */
  left(lane: Lane): void;
  /** Milliseconds until this lane may spend bytes; absent or 0: now. */
  bytesDelayMs?(lane: Lane): number;
  /** The token is no longer valid, or the store failed: nothing more can be sent. */
  fatal(error: unknown): void;
}

export interface SenderStats extends SendTotals {
  readonly heldMs: number;
}

/** Which step of an attempt failed. */
type Step = "search" | "prepare" | "put";

export class Sender {
  readonly #store: Store;
  readonly #client: MatrixClient;
  readonly #runtime: Runtime;
  readonly #hooks: SenderHooks;
  readonly #preparer: Preparer;
  readonly #busy = new Map<Lane, Promise<void>>();
  readonly #holds = new Holds();
  readonly #streaks = new Streaks();
  readonly budget: Budget = new Budget();
  /** Of each lane, the search that was interrupted, by row. */
  readonly #searches = new Map<Lane, { readonly rowId: number; readonly progress: SearchProgress }>();
  readonly counters: SendCounters = new SendCounters();
  #stopped = false;
  #cancelTimer: (() => void) | null = null;

  constructor(
    store: Store,
    client: MatrixClient,
    runtime: Runtime,
    hooks: SenderHooks,
    preparer: Preparer = inClear,
  ) {
    this.#store = store;
    this.#client = client;
    this.#runtime = runtime;
    this.#hooks = hooks;
    this.#preparer = preparer;
  }

  /** Something was put into the outbox, or may be sent again. Starts every lane that is free to go. Never throws: who calls is a timer, or has no part in it. */
  wake(): void {
    if (this.#stopped) return;
    const now = this.#runtime.clock.monoMs();
    const heldUntil = this.#holds.allUntil();
    if (heldUntil > now) {
      this.#armTimer(heldUntil - now);
      return;
    }
    const heldRooms = this.#holds.roomsAt(now);
    try {
      const waits = LANES.map((lane) => this.#startLane(lane, heldRooms, now));
      const nextRoom = this.#holds.nextRoomAt();
      const next = Math.min(...waits, nextRoom === null ? Infinity : nextRoom - now);
      if (next !== Infinity) this.#armTimer(next);
    } catch (error) {
      this.#give(error);
    }
  }

  /** Milliseconds until the budgets let this lane send; 0: now. */
  budgetDelayMs(lane: Lane): number {
    return this.#delayMs(lane, this.#runtime.clock.monoMs());
  }

  /** The network is back: waiting for it ends now. A rate limit is waited for all the same. */
  retryNow(): void {
    this.#holds.reachable();
    this.wake();
  }

  /** What a room waited for is there. */
  roomReady(roomId: string): void {
    this.#holds.clearRoom(roomId);
    this.wake();
  }

  /** Resolves once nothing is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await Promise.all(this.#busy.values());
  }

  /** Nothing is under way: all is sent, or waits for something. */
  idle(): boolean {
    return this.#busy.size === 0;
  }

  stats(): SenderStats {
    const heldMs = this.#holds.allUntil() - this.#runtime.clock.monoMs();
    return { ...this.counters.totals(), heldMs: Math.max(0, heldMs) };
  }

  /** The store failed, or holds what cannot be read: nothing more can be sent. */
  #give(error: unknown): void {
    this.#stopped = true;
    this.#hooks.fatal(error);
  }

  #armTimer(delayMs: number): void {
    this.#cancelTimer?.();
    if (this.#stopped) return;
    this.#cancelTimer = this.#runtime.timers.after(Math.max(1, delayMs), () => this.wake());
  }

  #delayMs(lane: Lane, now: number): number {
    return Math.max(this.budget.delayMs(lane, now), this.#hooks.bytesDelayMs?.(lane) ?? 0);
  }

  /** Gives how long the lane waits for the budget; Infinity where it waits for nothing, or something else will wake it. */
  #startLane(lane: Lane, heldRooms: ReadonlySet<string>, now: number): number {
    if (this.#busy.has(lane)) return Infinity;
    const row = this.#store.read((database) => head(database, this.#store.vault, lane, heldRooms));
    if (row === null) return Infinity;
    const delayMs = this.#delayMs(lane, now);
    if (delayMs > 0) return delayMs;
    this.budget.spend(lane, now);
    const run = this.#work(row).then(() => {
      this.#busy.delete(lane);
      this.wake();
    });
    this.#busy.set(lane, run);
    return Infinity;
  }

  /** Never rejects. */
  async #work(row: OutboxRow): Promise<void> {
    try {
      await this.#attempt(row);
      if (!this.#stopped) this.#hooks.left(row.lane);
    } catch (error) {
      this.#give(error);
    }
  }

  async #attempt(row: OutboxRow): Promise<void> {
    let step: Step = "search";
    try {
      if (row.inDoubt && (await this.#settledBySearch(row))) return;
      step = "prepare";
      const wire = await this.#prepared(row);
      if (wire === null) return;
      step = "put";
      await this.#put(row, wire);
    } catch (error) {
      if (error instanceof StoreError && error.code === "BUSY") this.#busyStore();
      else if (error instanceof MatrixError) await this.#failed(row, step, error);
      else throw error;
    }
  }

  /** What was to be written down is found again at the next try: at worst an attempt stays in doubt. */
  #busyStore(): void {
    const { clock, log } = this.#runtime;
    this.#holds.limited(clock.monoMs() + STORE_RETRY_MS);
    log.warn({}, "the store has too many transactions waiting: sending waits");
  }

  /** What to send, durable together with the mark of the attempt; null if there is nothing to send now. */
  async #prepared(row: OutboxRow): Promise<Wire | null> {
    const prepared = await this.#preparer.prepare(row);
    if (prepared.kind === "wait") {
      const { clock, log } = this.#runtime;
      this.#holds.room(row.roomId, clock.monoMs() + prepared.delayMs);
      log.warn({ lane: row.lane, roomId: row.roomId, delayMs: prepared.delayMs }, prepared.reason);
      return null;
    }
    const wire = await this.#store.transaction((database) => {
      // A null out of `wire` leaves the mark away as well: nothing was and nothing will be sent.
      const made = prepared.wire(database);
      return made !== null && markAttempt(database, row) ? made : null;
    });
    if (wire !== null) await this.#store.durable();
    return wire;
  }

  async #put(row: OutboxRow, wire: Wire): Promise<void> {
    this.counters.attempted(row.lane, row.attempts);
    const eventId = await this.#client.send(row.roomId, wire.type, row.txnId, wire.content);
    this.budget.accepted();
    this.#answered(row);
    await this.#settle(row, eventId);
  }

  #answered({ roomId }: OutboxRow): void {
    this.#streaks.succeeded(roomId);
    this.#hooks.link(true);
  }

  async #settle(row: OutboxRow, eventId: string): Promise<void> {
    await this.#store.transaction((database) => acknowledge(database, row, eventId));
    this.counters.sent(row.lane);
  }

  async #settledBySearch(row: OutboxRow): Promise<boolean> {
    const begun = this.#searches.get(row.lane);
    const progress = begun?.rowId === row.id ? begun.progress : beginSearch();
    this.#searches.set(row.lane, { rowId: row.id, progress });
    const eventId = await findInRoom(this.#client, row, progress);
    this.#searches.delete(row.lane);
    this.#answered(row);
    if (eventId === null) {
      await this.#store.transaction((database) => clearDoubt(database, row));
      return false;
    }
    this.counters.found += 1;
    this.#runtime.log.info(
      { txnId: row.txnId, eventId },
      "an event whose answer was lost was found in the room",
    );
    await this.#settle(row, eventId);
    return true;
  }

  async #failed(row: OutboxRow, step: Step, error: MatrixError): Promise<void> {
    this.counters.failed(error.kind);
    if (isUnreachable(error)) this.#hooks.link(false);
    // A position that the server does not take any more is not tried again.
    if (error.kind === "refused") this.#searches.delete(row.lane);
    const ofRoom = error.kind === "unavailable" && error.errcode !== null;
    const failures = this.#streaks.failed(row.roomId, ofRoom);
    const judge = step === "put" ? verdictOf : searchVerdictOf;
    await this.#apply(row, judge(error, failures, this.#runtime.random), error);
  }

  async #apply(row: OutboxRow, verdict: Verdict, error: MatrixError): Promise<void> {
    switch (verdict.kind) {
      case "stop":
        this.#stopped = true;
        if (error.kind === "auth") this.#hooks.fatal(error);
        return;
      case "done":
        await this.#store.transaction((database) => acknowledge(database, row, null));
        return;
      case "dead":
        await this.#bury(row, verdict.reason);
        return;
      case "hold":
        this.#hold(row, verdict, error);
        if (!verdict.inDoubt) await this.#store.transaction((database) => clearDoubt(database, row));
    }
  }

  #hold({ lane, roomId }: OutboxRow, { delayMs, what }: Hold, error: MatrixError): void {
    const { clock, log } = this.#runtime;
    const until = clock.monoMs() + delayMs;
    if (what === "room") {
      this.#holds.room(roomId, until);
      log.warn(
        { lane, roomId, errcode: error.errcode, delayMs },
        `the room does not take our events: ${error.message}`,
      );
      return;
    }
    if (error.kind === "limited") {
      this.#holds.limited(until);
      this.budget.limited(clock.monoMs(), error.retryAfterMs);
    } else this.#holds.away(until);
    log.debug({ lane, kind: error.kind, delayMs }, "sending waits");
  }

  async #bury(row: OutboxRow, reason: string): Promise<void> {
    const { clock, log } = this.#runtime;
    await this.#store.transaction((database) => bury(database, row, reason, clock.wallMs()));
    this.counters.buried += 1;
    log.error(
      { lane: row.lane, type: row.type, roomId: row.roomId },
      `an event can never be accepted and was set aside: ${reason}`,
    );
  }
}
