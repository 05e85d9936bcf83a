// Keeps the one status message of the people room up to date: made once, then edited, at most every so often, and once more when the agent stops.
import { deliveredAs, isUnsettled, type Outgoing, put } from "#agent/delivery/outbox.ts";
import { edit } from "#agent/matrix/relations.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { type Snapshot, statusContent } from "./status-card.ts";

/** Under this name the outbox remembers the event ID of the first message, per room. */
const reference = (roomId: string): string => `status-message ${roomId}`;

export interface StatusMessageOptions {
  readonly roomId: string;
  readonly everyMs: number;
  readonly snapshot: () => Snapshot;
  /** An event was put into the outbox. */
  readonly wake: () => void;
}

export class StatusMessage {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #options: StatusMessageOptions;
  #cancelTimer: (() => void) | null = null;
  #stopped = false;

  constructor(store: Store, runtime: Runtime, options: StatusMessageOptions) {
    this.#store = store;
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Says it now, and from now on every `everyMs`. */
  async start(): Promise<void> {
    await this.#sayNow();
    this.#arm();
  }

  /** The last word: what the room shows while the agent is away. */
  async stop(): Promise<void> {
    this.halt();
    await this.#say({ ...this.#options.snapshot(), state: "offline" });
  }

  /** Says nothing more by itself. */
  halt(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#cancelTimer = this.#runtime.timers.after(this.#options.everyMs, () => {
      void this.#sayNow().finally(() => this.#arm());
    });
  }

  /** Never rejects: the next one tells what this one could not, and a store that failed says so itself. */
  async #sayNow(): Promise<void> {
    try {
      await this.#say(this.#options.snapshot());
    } catch (error) {
      if (!this.#stopped)
        this.#runtime.log.error({ error: String(error) }, "the status message could not be stored");
    }
  }

  async #say(snapshot: Snapshot): Promise<void> {
    const { roomId, wake } = this.#options;
    const content = statusContent(snapshot);
    await this.#store.transaction((database) => {
      const first = deliveredAs(database, reference(roomId));
      // Its first version is on its way: another one now would make a second message.
      if (first === null && isUnsettled(database, reference(roomId))) return;
      const common = { lane: "state" as const, roomId, type: "m.room.message", mergeKey: reference(roomId) };
      const outgoing: Outgoing =
        first === null
          ? { ...common, content, reference: reference(roomId) }
          : { ...common, content: edit(content, first) };
      put(database, this.#store.vault, this.#runtime.random, outgoing);
    });
    await this.#store.durable();
    wake();
  }
}
