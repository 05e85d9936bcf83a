// Turns readings that wait in the journal into telemetry events in the outbox: when enough wait, when the oldest has waited long enough, and never
// more events than are soon to be sent, so that a backlog stays readings (small, cheap to bound) and becomes events only when its turn comes.
import type { Journal } from "#agent/journal/journal.ts";
import { type TakeLimits, takeOldest } from "#agent/journal/take.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Database, Store } from "#agent/store/store.ts";
import { encodePlain } from "#agent/telemetry/event.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { BULK_WAITING_MAX, EVENT_READINGS_BYTES_MAX } from "./limits.ts";
import { put, waitingIn } from "./outbox.ts";

export interface PackerOptions {
  readonly device: string;
  readonly roomId: string;
  /** Event type, `dev.petrel.telemetry` unless configured. */
  readonly type: string;
  readonly maxAgeMs: number;
  readonly maxCount: number;
}

/** Bytes that a reading needs in the plain form: names and punctuation, the value's text. */
const plainSize = ({ name, unit, value }: StampedReading): number => {
  const valueBytes =
    typeof value === "string"
      ? JSON.stringify(value).length * 1.5
      : value instanceof Uint8Array
        ? value.length * 1.4
        : 24;
  return name.length + (unit?.length ?? 0) + 44 + Math.ceil(valueBytes);
};

interface Packed {
  readonly readings: number;
  readonly bytesFreed: number;
}

export class Packer {
  readonly #store: Store;
  readonly #journal: Journal;
  readonly #runtime: Runtime;
  readonly #options: PackerOptions;
  readonly #packedOne: () => void;
  readonly #limits: TakeLimits;
  #oldestMono: number;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #cancelTimer: (() => void) | null = null;

  /** `packedOne` is called after each event that was put into the outbox; the sender makes it durable before it sends it. */
  constructor(
    store: Store,
    journal: Journal,
    runtime: Runtime,
    options: PackerOptions,
    packedOne: () => void,
  ) {
    this.#store = store;
    this.#journal = journal;
    this.#runtime = runtime;
    this.#options = options;
    this.#packedOne = packedOne;
    this.#limits = { readingsMax: options.maxCount, bytesMax: EVENT_READINGS_BYTES_MAX, sizeOf: plainSize };
    // What the store held at the start has waited long enough already.
    this.#oldestMono = journal.depth().readings > 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    journal.onAppended(() => this.#appended());
    this.run();
  }

  /** Packs what is due; called too when an event left the bulk lane. One asked for while one is under way follows it. */
  run(): void {
    if (this.#stopped) return;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    this.#running = this.#loop().catch((error: unknown) => {
      this.#running = null;
      this.#runtime.log.error({ error: String(error) }, "readings could not be packed into events");
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#running;
  }

  #appended(): void {
    if (this.#oldestMono === Number.POSITIVE_INFINITY) this.#oldestMono = this.#runtime.clock.monoMs();
    if (this.#due()) this.run();
    else if (this.#cancelTimer === null) this.#arm();
  }

  #due(): boolean {
    const waited = this.#runtime.clock.monoMs() - this.#oldestMono;
    return this.#journal.depth().readings >= this.#options.maxCount || waited >= this.#options.maxAgeMs;
  }

  #arm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#stopped || this.#journal.depth().readings === 0 || this.#due()) return;
    // Committed while the last pack was made, and not yet told of: its time begins now.
    if (this.#oldestMono === Number.POSITIVE_INFINITY) this.#oldestMono = this.#runtime.clock.monoMs();
    const delayMs = this.#oldestMono + this.#options.maxAgeMs - this.#runtime.clock.monoMs();
    this.#cancelTimer = this.#runtime.timers.after(Math.max(1, delayMs), () => this.run());
  }

  async #loop(): Promise<void> {
    do {
      this.#again = false;
      await this.#packDue();
    } while (this.#again && !this.#stopped);
    this.#running = null;
    this.#arm();
  }

  async #packDue(): Promise<void> {
    while (!this.#stopped && this.#journal.depth().readings > 0 && this.#due()) {
      const packed = await this.#store.transaction((database) => this.#pack(database));
      if (packed === null) return;
      this.#journal.taken(packed.readings, packed.bytesFreed);
      if (this.#journal.depth().readings === 0) this.#oldestMono = Number.POSITIVE_INFINITY;
      this.#packedOne();
    }
  }

  #pack(database: Database): Packed | null {
    if (waitingIn(database, "bulk") >= BULK_WAITING_MAX) return null;
    const taken = takeOldest(database, this.#store.vault, this.#limits);
    if (taken === null || taken.readings.length === 0) return null;
    const { stream, clock, seq, lost, readings, bytesFreed } = taken;
    const { device, roomId, type } = this.#options;
    const epoch = { boot: stream.boot, bootSeq: stream.bootSeq, clock };
    const content = encodePlain({ device, stream: stream.name, epoch, seq, lost, readings });
    put(database, this.#store.vault, this.#runtime.random, { lane: "bulk", roomId, type, content });
    return { readings: readings.length, bytesFreed };
  }
}
