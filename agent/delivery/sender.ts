// Sends what waits in the outbox: the most urgent lane first, one event of a lane under way at a time, each exactly once in the room.
//
//   head of lane -> in doubt? look for it -> mark the attempt, durable() -> PUT -> acknowledged: row gone
//                       found: row gone       failed: verdict (wait, set aside, stop)
import { type MatrixClient, MatrixError } from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { LANES, type Lane } from "./lanes.ts";
import { acknowledge, bury, clearDoubt, head, markAttempt, type OutboxRow } from "./outbox.ts";
import { findInRoom } from "./search.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

export interface SenderHooks {
  /** The homeserver answered, or did not. */
  link(up: boolean): void;
  /** A row left the outbox (sent or set aside): whoever fills it may put the next one in. */
  left(lane: Lane): void;
  /** The token is no longer valid, or the store failed: nothing more can be sent. */
  fatal(error: unknown): void;
}

export interface SenderStats {
  readonly sent: number;
  readonly attempts: number;
  /** Attempts whose answer was lost and which were found in the room. */
  readonly found: number;
  readonly heldMs: number;
}

export class Sender {
  readonly #store: Store;
  readonly #client: MatrixClient;
  readonly #runtime: Runtime;
  readonly #hooks: SenderHooks;
  readonly #busy = new Map<Lane, Promise<void>>();
  readonly #heldRooms = new Map<string, number>();
  #heldUntil = 0;
  /** A rate limit must be waited for; a missing network may come back sooner than our patience. */
  #rateLimited = false;
  #counters = { sent: 0, attempts: 0, found: 0 };
  #stopped = false;
  #cancelTimer: (() => void) | null = null;

  constructor(store: Store, client: MatrixClient, runtime: Runtime, hooks: SenderHooks) {
    this.#store = store;
    this.#client = client;
    this.#runtime = runtime;
    this.#hooks = hooks;
  }

  /** Something was put into the outbox, or may be sent again. Starts every lane that is free to go. */
  wake(): void {
    if (this.#stopped) return;
    const now = this.#runtime.clock.monoMs();
    if (this.#heldUntil > now) {
      this.#armTimer(this.#heldUntil - now);
      return;
    }
    for (const lane of LANES) this.#startLane(lane);
    const nextRoom = Math.min(...this.#heldRooms.values());
    if (Number.isFinite(nextRoom)) this.#armTimer(nextRoom - now);
  }

  /** The network is back: waiting for it ends now. */
  retryNow(): void {
    if (!this.#rateLimited) this.#heldUntil = 0;
    this.#heldRooms.clear();
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
    return { ...this.#counters, heldMs: Math.max(0, this.#heldUntil - this.#runtime.clock.monoMs()) };
  }

  #armTimer(delayMs: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#runtime.timers.after(Math.max(1, delayMs), () => this.wake());
  }

  #roomsHeldNow(): Set<string> {
    const now = this.#runtime.clock.monoMs();
    for (const [room, until] of this.#heldRooms) if (until <= now) this.#heldRooms.delete(room);
    return new Set(this.#heldRooms.keys());
  }

  #startLane(lane: Lane): void {
    if (this.#busy.has(lane)) return;
    const row = this.#store.read((database) => head(database, this.#store.vault, lane, this.#roomsHeldNow()));
    if (row === null) return;
    const run = this.#work(row).finally(() => {
      this.#busy.delete(lane);
      this.wake();
    });
    this.#busy.set(lane, run);
  }

  async #work(row: OutboxRow): Promise<void> {
    try {
      await this.#attempt(row).catch((error: unknown) => this.#failed(row, error));
      if (!this.#stopped) this.#hooks.left(row.lane);
    } catch (error) {
      this.#stopped = true;
      this.#hooks.fatal(error);
    }
  }

  async #attempt(row: OutboxRow): Promise<void> {
    if (row.inDoubt && (await this.#settledBySearch(row))) return;
    await this.#store.transaction((database) => markAttempt(database, row));
    await this.#store.durable();
    this.#counters.attempts += 1;
    const eventId = await this.#client.send(row.roomId, row.type, row.txnId, row.content);
    this.#hooks.link(true);
    await this.#settle(row, eventId);
  }

  async #settle(row: OutboxRow, eventId: string): Promise<void> {
    await this.#store.transaction((database) => acknowledge(database, row, eventId));
    this.#counters.sent += 1;
  }

  async #settledBySearch(row: OutboxRow): Promise<boolean> {
    const eventId = await findInRoom(this.#client, row);
    this.#hooks.link(true);
    if (eventId === null) {
      await this.#store.transaction((database) => clearDoubt(database, row));
      return false;
    }
    this.#counters.found += 1;
    this.#runtime.log.info(
      { txnId: row.txnId, eventId },
      "an event whose answer was lost was found in the room",
    );
    await this.#settle(row, eventId);
    return true;
  }

  async #failed(row: OutboxRow, error: unknown): Promise<void> {
    if (!(error instanceof MatrixError)) throw error;
    if (error.kind === "network" || error.kind === "unavailable") this.#hooks.link(false);
    await this.#apply(row, verdictOf(error, row.attempts + 1, this.#runtime.random), error);
    if (error.kind === "auth") this.#hooks.fatal(error);
  }

  async #apply(row: OutboxRow, verdict: Verdict, error: MatrixError): Promise<void> {
    switch (verdict.kind) {
      case "stop":
        this.#stopped = true;
        return;
      case "done":
        await this.#store.transaction((database) => acknowledge(database, row, ""));
        return;
      case "dead":
        await this.#bury(row, verdict.reason);
        return;
      case "hold-all":
      case "hold-room":
        this.#hold(row, verdict, error);
        if (!verdict.inDoubt) await this.#store.transaction((database) => clearDoubt(database, row));
    }
  }

  #hold(
    row: OutboxRow,
    verdict: { readonly kind: string; readonly delayMs: number },
    error: MatrixError,
  ): void {
    const { clock, log } = this.#runtime;
    const until = clock.monoMs() + verdict.delayMs;
    const { lane, roomId } = row;
    if (verdict.kind === "hold-room") {
      this.#heldRooms.set(roomId, until);
      log.warn(
        { lane, roomId, errcode: error.errcode },
        `the room does not take our events: ${error.message}`,
      );
      return;
    }
    this.#heldUntil = Math.max(this.#heldUntil, until);
    this.#rateLimited = error.kind === "limited";
    log.debug({ lane, kind: error.kind, delayMs: verdict.delayMs }, "sending waits");
  }

  async #bury(row: OutboxRow, reason: string): Promise<void> {
    const { clock, log } = this.#runtime;
    await this.#store.transaction((database) => bury(database, row, reason, clock.wallMs()));
    log.error(
      { lane: row.lane, type: row.type, roomId: row.roomId },
      `an event can never be accepted and was set aside: ${reason}`,
    );
  }
}
