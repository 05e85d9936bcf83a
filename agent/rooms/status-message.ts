// Keeps the one status message of the people room up to date: made once, then edited when what it shows has changed, at most every so often, and once more
// when the agent stops. Redacted, it is made anew.
import { deliveredAs, forgetDelivered, isUnsettled, type Outgoing, put } from "#agent/delivery/outbox.ts";
import { field } from "#agent/matrix/json.ts";
import { edit } from "#agent/matrix/relations.ts";
import {
  type JsonObject,
  type MatrixClient,
  MatrixError,
  type SyncBatch,
  type SyncConsumer,
} from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Database, Store } from "#agent/store/store.ts";
import { cardKey, offlineContent, type Snapshot, statusContent } from "./status-card.ts";

/** Under this name the outbox remembers the event ID of the first message, per room. */
const reference = (roomId: string): string => `status-message ${roomId}`;

export interface StatusMessageOptions {
  readonly roomId: string;
  readonly everyMs: number;
  readonly snapshot: () => Snapshot;
  /** An event was put into the outbox. */
  readonly wake: () => void;
}

export class StatusMessage implements SyncConsumer {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #options: StatusMessageOptions;
  #cancelTimer: (() => void) | null = null;
  #stopped = false;
  /** What the newest version tells (`cardKey`); null: not known, so it is told anew. */
  #told: string | null = null;
  #redacted = false;

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

  /** The last word: what the room shows while the agent is away. False: its first version is on its way, so ask again once it has arrived. */
  async stop(): Promise<boolean> {
    this.halt();
    return this.#say({ ...this.#options.snapshot(), state: "offline" });
  }

  /** In the sync's transaction: a redacted message is none any more. */
  apply(batch: SyncBatch, database: Database): void {
    const name = reference(this.#options.roomId);
    const first = deliveredAs(database, name);
    if (first === null) return;
    const timeline = batch.joined.get(this.#options.roomId)?.timeline ?? [];
    this.#redacted = timeline.some(
      ({ event }) => event.type === "m.room.redaction" && field(event.content, "redacts") === first,
    );
    if (this.#redacted) forgetDelivered(database, name);
  }

  committed(): void {
    if (!this.#redacted || this.#stopped) return;
    this.#redacted = false;
    void this.retell();
  }

  /** Looks whether the message is still what it was: it may have been redacted while we were away. Never rejects. */
  async check(client: Pick<MatrixClient, "getEvent">): Promise<void> {
    const name = reference(this.#options.roomId);
    try {
      const first = this.#store.read((database) => deliveredAs(database, name));
      const event = first === null ? null : await client.getEvent(this.#options.roomId, first);
      if (first === null || (event !== null && Object.keys(event.content).length > 0)) return;
      await this.#store.transaction((database) => forgetDelivered(database, name));
      await this.retell();
    } catch (error) {
      if (!(error instanceof MatrixError)) this.#failed(error);
    }
  }

  /** Says it now, changed or not. Never rejects. */
  async retell(): Promise<void> {
    this.#told = null;
    if (!this.#stopped) await this.#sayNow();
  }

  /** The edit that says that nothing is heard of us; null before there is a message. */
  offlineCard(device: string, silentMs: number): JsonObject | null {
    const first = this.#store.read((database) => deliveredAs(database, reference(this.#options.roomId)));
    return first === null ? null : edit(offlineContent(device, silentMs), first);
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
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (!this.#stopped)
      this.#runtime.log.error({ error: String(error) }, "the status message could not be stored");
  }

  /** False: not yet, its first version is on its way. */
  async #say(snapshot: Snapshot): Promise<boolean> {
    const { roomId, wake } = this.#options;
    const key = cardKey(snapshot);
    if (key === this.#told) return true;
    const content = statusContent(snapshot);
    const said = await this.#store.transaction((database) => {
      const first = deliveredAs(database, reference(roomId));
      // Its first version is on its way: another one now would make a second message.
      if (first === null && isUnsettled(database, reference(roomId))) return false;
      const common = { lane: "state" as const, roomId, type: "m.room.message", mergeKey: reference(roomId) };
      const outgoing: Outgoing =
        first === null
          ? { ...common, content, reference: reference(roomId) }
          : { ...common, content: edit(content, first) };
      put(database, this.#store.vault, this.#runtime.random, outgoing);
      return true;
    });
    if (said) this.#told = key;
    await this.#store.durable();
    wake();
    return said;
  }
}
