// Shows that the device is there, and that it is not: a birth at each start, a last will with the server (delayed-events.ts), an honest goodbye at the end.
//
//   start --> birth (outbox)      link up, and every interval --> wills put off      will fired meanwhile --> another session: birth
//   stop  --> death "stopped" (outbox) --> wills cancelled
//
// Two wills: a death in the data room for machines, and an edit of the status message for people. In an encrypted room there is none: the server could
// only send what was encrypted ahead.
import { put } from "#agent/delivery/outbox.ts";
import {
  type JsonObject,
  type MatrixClient,
  MatrixError,
  type SyncBatch,
  type SyncConsumer,
} from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import type { ClockWatch } from "#agent/time/clock-watch.ts";
import { VERSION } from "#agent/version.ts";
import { type DelayedEvents, findDelayedEvents, SentAtOnce } from "./delayed-events.ts";
import { REFUSED_RETRY_MS } from "./limits.ts";
import type { LivenessConfig } from "./schema.ts";
import { encodeStatus, type SessionId, type StatusDetails, type StatusKind } from "./status-event.ts";
import { nextSession } from "./tables.ts";
import { Will } from "./will.ts";

export interface LivenessOptions {
  readonly client: Pick<MatrixClient, "capabilities" | "versions" | "request" | "getState">;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly clock: Pick<ClockWatch, "state" | "nowMs">;
  readonly config: LivenessConfig;
  readonly device: string;
  readonly boot: { readonly id: string; readonly seq: number };
  readonly namespace: string;
  readonly dataRoom: string;
  readonly peopleRoom: string;
  /** What the status message shall say when nothing is heard of us; null before there is one. */
  readonly offlineCard: () => JsonObject | null;
  /** The status message says that we are offline: say it anew. */
  readonly cardFired: () => void;
  readonly isUp: () => boolean;
  /** As far as this device knows by itself. */
  readonly wasEncrypted: (roomId: string) => boolean;
  /** The sync follows both rooms, so that it tells when one becomes encrypted. */
  readonly followed: boolean;
  /** An event was put into the outbox. */
  readonly wake: () => void;
}

/** In the content of the status message's will, to know it again. */
export const WILL_KEY = "dev.petrel.will";

const TXN_RANDOM_BYTES = 12;

export class Liveness implements SyncConsumer {
  readonly #options: LivenessOptions;
  readonly #death: Will;
  readonly #card: Will;
  /** Rooms that are known to be encrypted since this process began. */
  readonly #encrypted = new Set<string>();
  /** Wills of encrypted rooms, of which nothing waits at the server any more. */
  readonly #withdrawn = new Set<Will>();
  #session: SessionId;
  /** Undefined: not asked yet since the link came up. */
  #api: DelayedEvents | null | undefined;
  /** The server cannot be trusted with a will (it sent one at once). */
  #never = false;
  #notBeforeMono = 0;
  #beating: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #cancelTimer: (() => void) | null = null;

  constructor(options: LivenessOptions) {
    this.#options = options;
    const { boot, config, dataRoom, device, namespace, offlineCard, peopleRoom } = options;
    this.#session = { device, boot: boot.id, bootSeq: boot.seq, session: 0 };
    const common = { newTxnId: () => this.#txnId(), delayMs: config.timeout };
    this.#death = new Will({
      ...common,
      roomId: dataRoom,
      type: `${namespace}.status`,
      content: () => encodeStatus("death", this.#session, { reason: "lost" }),
      isOurs: (content) => content["device"] === device,
    });
    this.#card = new Will({
      ...common,
      roomId: peopleRoom,
      type: "m.room.message",
      content: () => {
        const card = offlineCard();
        return card === null ? null : { ...card, [WILL_KEY]: device };
      },
      isOurs: (content) => content[WILL_KEY] === device,
    });
  }

  apply(): void {
    // Nothing of it is stored: after a restart the rooms are asked before a will is made.
  }

  /** What came with the sync is stored: a room may have become encrypted. */
  committed({ joined }: SyncBatch): void {
    const { dataRoom, peopleRoom } = this.#options;
    for (const roomId of new Set([dataRoom, peopleRoom])) {
      const { state = [], timeline = [] } = joined.get(roomId) ?? {};
      const events = [...state, ...timeline.map(({ event }) => event)];
      if (!events.some(({ stateKey, type }) => type === "m.room.encryption" && stateKey === "")) continue;
      this.#encrypted.add(roomId);
      this.beat();
    }
  }

  /** A new session begins. */
  async start(): Promise<void> {
    await this.#birth();
    this.beat();
    this.#arm();
  }

  /** The link is up: a will may have been sent meanwhile, and another server may answer. */
  linkUp(): void {
    this.#api = undefined;
    this.beat();
  }

  /** Puts the wills off. One asked for while one is under way follows it. */
  beat(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#beating ??= this.#loop();
  }

  /** The last word of this session goes into the outbox. */
  async goodbye(): Promise<void> {
    this.halt();
    if (this.#session.session === 0) return;
    await this.#say("death", { said: this.#now(), reason: "stopped" });
  }

  /** Nothing more by itself. */
  halt(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
  }

  /** After the goodbye is out: the server shall send nothing more. Never rejects; what it cannot cancel is a death of a session that has ended. */
  async cancelWills(): Promise<void> {
    await this.#beating;
    const api = this.#api;
    if (api === null || api === undefined) return;
    await Promise.allSettled([this.#death.cancel(api), this.#card.cancel(api)]);
  }

  #txnId(): string {
    return `w${Buffer.from(this.#options.runtime.random(TXN_RANDOM_BYTES)).toString("base64url")}`;
  }

  #now(): StatusDetails["said"] & object {
    const { clock } = this.#options;
    return { atMs: clock.nowMs(), clock: clock.state() };
  }

  #arm(): void {
    if (this.#stopped) return;
    const { config, runtime } = this.#options;
    this.#cancelTimer = runtime.timers.after(config.interval, () => {
      this.beat();
      this.#arm();
    });
  }

  async #birth(): Promise<void> {
    const { store } = this.#options;
    const session = await store.transaction((database) => nextSession(database));
    this.#session = { ...this.#session, session };
    await this.#say("birth", { said: this.#now(), version: VERSION });
  }

  /** One that was never attempted gives way to the next: only the newest matters. A heartbeat takes no birth's place. */
  async #say(kind: StatusKind, details: StatusDetails): Promise<void> {
    const { dataRoom: roomId, namespace, runtime, store, wake } = this.#options;
    const content = encodeStatus(kind, this.#session, details);
    const mergeKey = `liveness ${kind === "heartbeat" ? kind : ""} ${roomId}`;
    const outgoing = { lane: "state" as const, roomId, type: `${namespace}.status`, content, mergeKey };
    await store.transaction((database) => put(database, store.vault, runtime.random, outgoing));
    await store.durable();
    wake();
  }

  /** Never rejects. */
  async #loop(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#beatOnce();
      } catch (error) {
        await this.#failed(error);
      }
    }
    this.#beating = null;
  }

  async #beatOnce(): Promise<void> {
    const { cardFired, config, isUp, runtime } = this.#options;
    if (!isUp()) return;
    await this.#dropExposed();
    if (runtime.clock.monoMs() < this.#notBeforeMono) return;
    this.#api ??= this.#never ? null : await findDelayedEvents(this.#options.client);
    if (this.#api === null) {
      if (config.heartbeats) await this.#say("heartbeat", { said: this.#now() });
      return;
    }
    if ((await this.#keep(this.#death, this.#options.dataRoom, this.#api)) === "fired") {
      runtime.log.info(
        {},
        "the server has said that this device is offline; it is not: another session begins",
      );
      await this.#birth();
      this.#again = true;
    }
    if ((await this.#keep(this.#card, this.#options.peopleRoom, this.#api)) === "fired") {
      cardFired();
      this.#again = true;
    }
  }

  /** In an encrypted room nothing is sent in clear, not even by the server on our behalf. */
  async #keep(will: Will, roomId: string, api: DelayedEvents): Promise<string> {
    // The sync tells of a room that turns encrypted, where it follows both rooms; where it does not, the room is asked each time.
    if (will.waits() && this.#options.followed) return will.keep(api);
    // Once encrypted it stays so, whatever the server says.
    if (!this.#isEncrypted(roomId)) {
      const encryption = await this.#options.client.getState(roomId, "m.room.encryption", "");
      if (encryption === null) return will.keep(api);
      this.#encrypted.add(roomId);
    }
    if (!this.#withdrawn.has(will)) await will.withdraw(api);
    this.#withdrawn.add(will);
    return "nothing";
  }

  #isEncrypted(roomId: string): boolean {
    return this.#encrypted.has(roomId) || this.#options.wasEncrypted(roomId);
  }

  /** A room became encrypted while a will in clear waits for it: the will goes at once, and again at each beat until it is gone. */
  async #dropExposed(): Promise<void> {
    const api = this.#api;
    if (api === null || api === undefined) return;
    const { dataRoom, peopleRoom } = this.#options;
    if (this.#death.waits() && this.#isEncrypted(dataRoom)) await this.#death.cancel(api);
    if (this.#card.waits() && this.#isEncrypted(peopleRoom)) await this.#card.cancel(api);
  }

  #giveUp(): void {
    this.#never = true;
    this.#api = null;
  }

  async #failed(error: unknown): Promise<void> {
    const { cardFired, runtime } = this.#options;
    if (error instanceof SentAtOnce) {
      runtime.log.error({}, error.message);
      this.#giveUp();
      cardFired();
      await this.#birth().catch(() => undefined);
      return;
    }
    if (!(error instanceof MatrixError)) {
      if (!this.#stopped)
        runtime.log.error({ error: String(error) }, "the state of the device could not be told");
      return;
    }
    if (error.kind !== "refused") return;
    // It said that it knows delayed events, and does not know how to put one off: births would follow deaths for ever.
    if (error.errcode === "M_UNRECOGNIZED") this.#giveUp();
    this.#notBeforeMono = runtime.clock.monoMs() + REFUSED_RETRY_MS;
    runtime.log.warn({ errcode: error.errcode }, `the server takes no last will: ${error.message}`);
  }
}
