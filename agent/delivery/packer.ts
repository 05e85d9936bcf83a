// Turns readings that wait in the journal into telemetry events in the outbox: when enough wait, when the oldest has waited long enough, and never
// more events than are soon to be sent, so that a backlog stays readings (small, cheap to bound) and becomes events only when its turn comes.
import type { Journal } from "#agent/journal/journal.ts";
import type { Part, Taken } from "#agent/journal/take.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Database, Store } from "#agent/store/store.ts";
import { encodeLoss } from "#agent/telemetry/event.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import type { FilePacks } from "./file-pack.ts";
import { type Filled, Filler } from "./fill.ts";
import {
  BULK_WAITING_MAX,
  FILE_FROM_EVENTS,
  FILE_LOOK_MS,
  LIVE_AGE_MAX_MS,
  LIVE_BESIDE_FILE_MS,
  PACK_RETRY_MS,
  PLAIN_READINGS_MAX,
  STREAM_NAME_BYTES,
} from "./limits.ts";
import { put, reroute, waitingFor } from "./outbox.ts";

export interface PackerOptions {
  readonly device: string;
  readonly roomId: string;
  /** `<namespace>.telemetry` and `<namespace>.loss` are the types of its events. */
  readonly namespace: string;
  readonly maxAgeMs: number;
  readonly maxCount: number;
  /** Up to so many waiting readings go in the plain form; absent: PLAIN_READINGS_MAX. */
  readonly plainMax?: number;
  /** True: what waits stays readings, whose times can still be repaired: nothing could be sent now, and the clock is not known. `run` when that ends. */
  readonly held?: () => boolean;
  /** Milliseconds until an event of ours may be sent, where the server allows few: until then readings wait for others, and the event grows. */
  readonly budgetDelayMs?: () => number;
  /** A reading that waited longer than its channel wants is not sent any more. */
  readonly isExpired?: ((reading: StampedReading) => boolean) | undefined;
  /** Makes files of a backlog; absent: it goes within events. */
  readonly files?: FilePacks | undefined;
}

interface Packed {
  readonly taken: Taken;
  /** Nothing was left: what waits now came after. */
  readonly emptied: boolean;
  readonly part: Part;
}

export class Packer {
  readonly #store: Store;
  readonly #journal: Journal;
  readonly #runtime: Runtime;
  readonly #options: PackerOptions;
  readonly #packedOne: () => void;
  readonly #filler: Filler;
  readonly #plainMax: number;
  /** Nothing that waits is older; Infinity when nothing does, as far as we were told. */
  #oldestMono: number;
  /** After a failure, not before this. */
  #notBeforeMono = 0;
  #rerouted = false;
  #running: Promise<void> | null = null;
  /** The last look found something due and no room for it. */
  #laneFull = false;
  /** What the last event was made of: live and historical readings take turns while both wait. */
  #lastPart: Part = "backlog";
  /** The last file came to nothing: an event takes its turn. */
  #fileFailed = false;
  /** When the file under way was begun. */
  #fileBegunMono = 0;
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
    const { device, isExpired, maxCount, plainMax = PLAIN_READINGS_MAX } = options;
    this.#plainMax = plainMax;
    this.#filler = new Filler(store.vault, { device, maxCount, plainMax, isExpired });
    // What the store held at the start has waited long enough already.
    this.#oldestMono = journal.depth().readings > 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    journal.onAppended(() => this.#appended());
    this.run();
  }

  /** Packs what is due; called too when an event left the bulk lane. One asked for while one is under way follows it. */
  run(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#running ??= this.#loop();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#running;
    await this.#options.files?.stopped();
  }

  #appended(): void {
    if (this.#stopped) return;
    if (this.#oldestMono === Number.POSITIVE_INFINITY) this.#oldestMono = this.#runtime.clock.monoMs();
    if (this.#due()) this.run();
    else if (this.#cancelTimer === null) this.#arm();
  }

  #budgetDelayMs(): number {
    return this.#options.budgetDelayMs?.() ?? 0;
  }

  #isFull(): boolean {
    return this.#journal.depth().readings >= this.#options.maxCount;
  }

  #due(): boolean {
    const now = this.#runtime.clock.monoMs();
    if (this.#options.held?.() === true || this.#budgetDelayMs() > 0) return false;
    if (now < this.#notBeforeMono || this.#journal.depth().readings === 0) return false;
    return this.#isFull() || now - this.#oldestMono >= this.#options.maxAgeMs;
  }

  #arm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    // The bulk lane says when there is room. What only became due since the last look is looked at again at once.
    if (this.#stopped || this.#journal.depth().readings === 0 || this.#laneFull) return;
    if (this.#options.held?.() === true) return;
    const now = this.#runtime.clock.monoMs();
    // Committed while the last pack was made, and not yet told of: its time begins now.
    if (this.#oldestMono === Number.POSITIVE_INFINITY) this.#oldestMono = now;
    const ripe = this.#isFull() ? now : this.#oldestMono + this.#options.maxAgeMs;
    const fileMs = this.#fileRuns()
      ? Math.max(FILE_LOOK_MS, this.#fileBegunMono + LIVE_BESIDE_FILE_MS - now)
      : 0;
    const delayMs = Math.max(ripe - now, this.#notBeforeMono - now, this.#budgetDelayMs(), fileMs);
    this.#cancelTimer = this.#runtime.timers.after(Math.max(1, delayMs), () => this.run());
  }

  async #loop(): Promise<void> {
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false;
        await this.#packDue();
      }
    } catch (error) {
      this.#notBeforeMono = this.#runtime.clock.monoMs() + PACK_RETRY_MS;
      this.#runtime.log.error({ error: String(error) }, "readings could not be packed into events");
    } finally {
      // In the same breath as the last look at `again`: whoever asks from now on starts a new loop.
      this.#running = null;
      this.#arm();
    }
  }

  async #packDue(): Promise<void> {
    this.#laneFull = false;
    if (!this.#rerouted)
      await this.#store.transaction((database) => reroute(database, "bulk", this.#options.roomId));
    this.#rerouted = true;
    await this.#journal.expire();
    await this.#goAhead();
    while (!this.#stopped && this.#due()) {
      const beganMono = this.#runtime.clock.monoMs();
      const part = this.#nextPart();
      if (part === null) return;
      if (part === "backlog" && this.#wantsFile()) {
        this.#startFile();
        continue;
      }
      const packed = await this.#store.transaction((database) => this.#pack(database, part));
      this.#laneFull = packed === null;
      if (packed === null) return;
      this.#lastPart = packed.part;
      if (packed.part === "backlog") this.#fileFailed = false;
      this.#journal.taken(packed.taken);
      if (this.#journal.depth().readings === 0) this.#oldestMono = Number.POSITIVE_INFINITY;
      else if (packed.emptied) this.#oldestMono = beganMono;
      if (packed.taken.unreadable > 0)
        this.#runtime.log.error(
          { readings: packed.taken.unreadable },
          "readings in the journal could not be read any more: the disk has changed them; they are reported as lost",
        );
      this.#packedOne();
    }
  }

  /** After an outage, live readings go ahead in a stream of their own, and what waits becomes the backlog. */
  async #goAhead(): Promise<void> {
    const { maxAgeMs, maxCount } = this.#options;
    if (this.#options.held?.() === true || this.#journal.depth().live <= maxCount) return;
    const age = this.#journal.liveAgeMs();
    if (age === null || age < maxAgeMs + LIVE_AGE_MAX_MS) return;
    const name = Buffer.from(this.#runtime.random(STREAM_NAME_BYTES)).toString("base64url");
    await this.#journal.beginStream(name);
    this.#runtime.log.info(
      { waiting: this.#journal.depth().readings },
      "readings of an outage wait: they are sent as history, new ones go ahead of them",
    );
  }

  /** Live readings go when they are due, but no two events in a row while a backlog waits. */
  #nextPart(): Part | null {
    const { live, readings } = this.#journal.depth();
    if (readings <= live) return "live";
    const { maxAgeMs, maxCount } = this.#options;
    const liveDue = live >= maxCount || (live > 0 && (this.#journal.liveAgeMs() ?? 0) >= maxAgeMs);
    if (this.#fileRuns()) {
      const long = this.#runtime.clock.monoMs() - this.#fileBegunMono >= LIVE_BESIDE_FILE_MS;
      return liveDue && long ? "live" : null;
    }
    return liveDue && this.#lastPart === "backlog" ? "live" : "backlog";
  }

  #fileRuns(): boolean {
    return this.#options.files?.running() === true;
  }

  /** The backlog would take more than a few events, and files are of use. */
  #wantsFile(): boolean {
    const { files, roomId } = this.#options;
    const { live, readings } = this.#journal.depth();
    const isLong = readings - live > this.#filler.perEvent() * FILE_FROM_EVENTS;
    if (!isLong || this.#fileFailed || files?.possible() !== true) return false;
    return this.#store.read((database) => waitingFor(database, "bulk", roomId)) < BULK_WAITING_MAX;
  }

  /** Beside the packer: live readings go on meanwhile. */
  #startFile(): void {
    const { files } = this.#options;
    this.#fileBegunMono = this.#runtime.clock.monoMs();
    void files?.make().then((made) => {
      this.#fileFailed = !made;
      if (made) {
        this.#lastPart = "backlog";
        this.#packedOne();
      }
      this.run();
    });
  }

  /** How many readings of the part wait decides about the form. */
  #fill(database: Database, part: Part): Filled | null {
    const { live, readings } = this.#journal.depth();
    const waiting = part === "live" ? live : readings - live;
    const many = waiting > this.#plainMax;
    return (many ? this.#filler.pack(database, part) : null) ?? this.#filler.plain(database, part);
  }

  #pack(database: Database, part: Part): Packed | null {
    const { namespace, roomId } = this.#options;
    if (waitingFor(database, "bulk", roomId) >= BULK_WAITING_MAX) return null;
    // Losses of a stream of which nothing is left belong to the backlog, which holds no reading then.
    const mayBacklog = part === "backlog" || (this.#lastPart === "live" && !this.#fileRuns());
    const backlog = mayBacklog ? this.#fill(database, "backlog") : null;
    const filled = backlog ?? this.#fill(database, "live");
    if (filled === null) return null;
    const { content, head, taken } = filled;
    const event =
      content === null
        ? { type: `${namespace}.loss`, content: encodeLoss(head) }
        : { type: `${namespace}.telemetry`, content };
    put(database, this.#store.vault, this.#runtime.random, { lane: "bulk", roomId, ...event });
    const emptied = database.prepare("SELECT 1 FROM journal_chunk LIMIT 1").get() === null;
    return { taken, emptied, part: backlog === null ? "live" : "backlog" };
  }
}
