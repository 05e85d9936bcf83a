// Publishes a room's telemetry to a broker here, reading by reading (agent-to-agent pub/sub: docs/subscriptions.md). One loop a subscription: the pages of the
// room in order, from where it began to listen, or stopped; a page at the end of the room is looked at again until more follows.
//
// At least once: how far it came is stored after each event; of one that was under way when the broker or the agent went away, readings may be published again.
// Each carries stream and number, by which a consumer drops them.
import { retried } from "#agent/matrix/retry.ts";
import type { MatrixClient } from "#agent/matrix/types.ts";
import { roomIdOf } from "#agent/rooms/follow.ts";
import { pause, type Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import type { ReceivedTelemetry } from "#agent/telemetry/received.ts";
import type { Driver } from "#drivers/driver.ts";
import { lineOf } from "./format.ts";
import type { SubscriptionConfig } from "./schema.ts";
import { clientSource, type RoomItem, type RoomSource } from "./source.ts";
import { topicOf } from "./topic.ts";
import { readItem } from "./walk.ts";

export interface RepublishContext {
  readonly runtime: Runtime;
  readonly store: Store;
  readonly namespace: string;
  /** Null while the homeserver was not reached yet. One that decrypts, where the agent can. */
  readonly client: () => Promise<MatrixClient | null>;
  readonly driver: (name: string) => Driver | null;
}

interface Place {
  /** Where the page under way begins. */
  readonly from: string;
  /** Items of it that are done. */
  readonly done: number;
}

/** After a failure of any kind: a broker that is away, a room that we were put out of. */
const RETRY_MS = 10_000;

const nameOf = ({ driver, room, topic }: SubscriptionConfig): string => JSON.stringify([room, driver, topic]);

const storedPlace = (store: Store, name: string): Place | null =>
  store.read((database) => {
    const row = database.prepare("SELECT place, done FROM subscription WHERE name = ?").get(name);
    return row === null ? null : { from: String(row["place"]), done: Number(row["done"]) };
  });

const keepPlace = (store: Store, name: string, { done, from }: Place): Promise<void> =>
  store.transaction((database) => {
    database
      .prepare(
        "INSERT INTO subscription (name, place, done) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET place = excluded.place, done = excluded.done",
      )
      .run(name, from, done);
  });

/** The end of the room as it is now: what was said before we listened is not published. */
const endOf = async (client: MatrixClient, roomId: string): Promise<Place> => ({
  from: (await client.messages(roomId, { direction: "b", limit: 1 })).start,
  done: 0,
});

const publish = async (
  driver: Driver,
  { retain, topic }: SubscriptionConfig,
  telemetry: ReceivedTelemetry,
): Promise<void> => {
  for (const reading of telemetry.readings) {
    const target = topicOf(topic, telemetry.device, reading);
    if (target === null) continue;
    const payload = new TextEncoder().encode(lineOf("jsonl", telemetry, reading));
    await driver.write?.({ target, payload, qos: 1, retain });
  }
};

const concerns = ({ from }: SubscriptionConfig, item: RoomItem, own: string): boolean =>
  item.kind !== "loss" && (from === undefined ? item.sender !== own : from.includes(item.sender));

class Subscription {
  readonly #context: RepublishContext;
  readonly #config: SubscriptionConfig;
  readonly #name: string;
  readonly #signal: AbortSignal;

  constructor(context: RepublishContext, config: SubscriptionConfig, signal: AbortSignal) {
    this.#context = context;
    this.#config = config;
    this.#name = nameOf(config);
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const { runtime } = this.#context;
    while (!this.#signal.aborted) {
      let delayMs = this.#config.every;
      try {
        await this.#look();
      } catch (error) {
        if (this.#signal.aborted) return;
        delayMs = RETRY_MS;
        runtime.log.warn(
          { room: this.#config.room, error: String(error) },
          "a subscription cannot go on for now",
        );
      }
      await pause(runtime.timers, delayMs, this.#signal);
    }
  }

  /** Everything that is new. */
  async #look(): Promise<void> {
    const { namespace, runtime, store } = this.#context;
    const client = await this.#context.client();
    const driver = this.#context.driver(this.#config.driver);
    if (client === null || driver === null) return;
    const roomId = await retried(runtime, this.#signal, () => this.#enter(client));
    let place = storedPlace(store, this.#name);
    if (place === null) {
      place = await endOf(client, roomId);
      await keepPlace(store, this.#name, place);
    }
    const source = clientSource(client, roomId, namespace);
    for (let next: Place | null = place; next !== null && !this.#signal.aborted; )
      next = await this.#page(source, driver, client.userId, next);
  }

  /** The room's ID; joined, if we are not in it yet. */
  async #enter(client: MatrixClient): Promise<string> {
    const roomId = await roomIdOf(client, this.#config.room);
    if ((await client.joinedRooms()).includes(roomId)) return roomId;
    return client.join(roomId);
  }

  /** Where the next page begins; null at the end of the room. */
  async #page(source: RoomSource, driver: Driver, own: string, { done, from }: Place): Promise<Place | null> {
    const { store } = this.#context;
    const { items, next } = await source.page(from);
    for (let at = done; at < items.length; at += 1) {
      const item = items[at];
      if (this.#signal.aborted || item === undefined) return null;
      if (!concerns(this.#config, item, own)) continue;
      await this.#item(source, driver, item);
      await keepPlace(store, this.#name, { from, done: at + 1 });
    }
    if (next === null || next === from) return null;
    await keepPlace(store, this.#name, { from: next, done: 0 });
    return { from: next, done: 0 };
  }

  async #item(source: RoomSource, driver: Driver, item: RoomItem): Promise<void> {
    const found = await readItem(source, item);
    if (found.kind === "telemetry") await publish(driver, this.#config, found.telemetry);
    else if (found.kind === "unreadable")
      this.#context.runtime.log.warn(
        { room: this.#config.room, event: item.eventId, why: found.why },
        "an event of a subscription cannot be read: it is stepped over",
      );
  }
}

export interface Republisher {
  stop(): Promise<void>;
}

export const startRepublishing = (
  context: RepublishContext,
  subscriptions: readonly SubscriptionConfig[],
): Republisher => {
  const aborter = new AbortController();
  const running = subscriptions.map((config) => new Subscription(context, config, aborter.signal).run());
  return {
    stop: async () => {
      aborter.abort();
      await Promise.all(running);
    },
  };
};
