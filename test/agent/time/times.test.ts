// Times from the driver to the event, under clocks that do what clocks of boards do: seeded worlds with boots without a battery, batteries that are off,
// first synchronisations, steps and jumps. The world knows the true time; the agent's parts (watch, door, journal) only see its clocks.
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { admit } from "#agent/ingest/door.ts";
import { type Journal, openJournal } from "#agent/journal/journal.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { Taken } from "#agent/journal/take.ts";
import type { Store } from "#agent/store/store.ts";
import { ClockWatch } from "#agent/time/clock-watch.ts";
import { takeAny } from "../journal/support.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";

const BUILD = Date.UTC(2026, 0, 1);
const START = Date.UTC(2026, 10, 24);
const DAY = 86_400_000;
const YEARS_50 = 50 * 365.25 * DAY;
/** Steps that a daemon makes while it holds the clock: what such a clock is wrong by, at most. */
const HELD_ERROR_MS = 20_000;
const ignore = (): void => undefined;
const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };

type Step =
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "read"; readonly count: number; readonly ageMs: number; readonly own: boolean }
  | { readonly do: "sync" }
  | { readonly do: "step"; readonly ms: number }
  | { readonly do: "jump"; readonly ms: number }
  | { readonly do: "boot"; readonly kind: "1970" | "saved" | "battery" }
  | { readonly do: "take"; readonly max: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: DAY }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("read" as const),
      count: fc.integer({ min: 1, max: 5 }),
      ageMs: fc.integer({ min: 0, max: 3000 }),
      own: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.constant<Step>({ do: "sync" }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("step" as const), ms: fc.integer({ min: -5000, max: 5000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("jump" as const),
      ms: fc.oneof(fc.constantFrom(YEARS_50, -YEARS_50), fc.integer({ min: 70_000, max: 400 * DAY })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("boot" as const),
      kind: fc.constantFrom("1970" as const, "saved" as const, "battery" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("take" as const), max: fc.integer({ min: 1, max: 9 }) }),
  },
);

interface Told {
  readonly stream: string;
  readonly trueMs: number;
  readonly rawMs: number;
  readonly monoMs: number;
  readonly own: boolean;
}

class Board {
  readonly #store: Store;
  #journal!: Journal;
  #watch!: ClockWatch;
  #trueMs = START;
  #mono = 0;
  /** Wall time minus true time. */
  #error = 0;
  #flag = false;
  #syncs = 0;
  #battery = false;
  #boots = 0;
  /** The boots in which the clock was known at some time. */
  readonly #known = new Set<string>();
  readonly #told: Told[] = [];
  readonly taken: Taken[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  async do(what: Step): Promise<void> {
    if (what.do === "pass") this.#pass(what.ms);
    else if (what.do === "read") await this.#read(what.count, what.ageMs, what.own);
    else if (what.do === "sync") this.#sync();
    else if (what.do === "step") this.#error = this.#bounded(this.#error + what.ms);
    else if (what.do === "jump") this.#error += what.ms;
    else if (what.do === "boot") await this.boot(what.kind);
    else await this.take(what.max);
    if (this.#watch.state() !== "unset") this.#known.add(this.#stream);
  }

  async boot(kind: "1970" | "saved" | "battery"): Promise<void> {
    this.#boots += 1;
    this.#trueMs += 30_000;
    this.#mono = 12_000;
    this.#flag = false;
    this.#battery = kind === "battery";
    this.#error = { "1970": this.#mono - this.#trueMs, saved: -3 * DAY, battery: 4000 }[kind];
    const clock = { wallMs: () => this.#trueMs + this.#error, monoMs: () => this.#mono };
    const probes = {
      synchronised: () => this.#flag,
      flagStamp: () => this.#syncs,
      rtc: () => this.#battery,
    };
    this.#watch = new ClockWatch(clock, silent, probes, BUILD);
    const policy = { bytesMax: 1e9, whenFull: "reject" as const };
    this.#journal = await openJournal(this.#store, { id: `b${this.#boots}` }, this.#stream, policy);
    this.#watch.onEpoch((epoch) => void this.#journal.clockKnown(epoch.clock, epoch.line));
  }

  get #stream(): string {
    return `s${this.#boots}`;
  }

  #pass(ms: number): void {
    this.#trueMs += ms;
    this.#mono += ms;
  }

  /** A daemon that holds the clock keeps it within bounds; nobody else's clock is stepped by a little. */
  #bounded(error: number): number {
    const held = Math.abs(this.#error) <= HELD_ERROR_MS;
    return held ? Math.max(-HELD_ERROR_MS, Math.min(HELD_ERROR_MS, error)) : this.#error;
  }

  #sync(): void {
    this.#error = 0;
    this.#flag = true;
    this.#syncs += 1;
    this.#pass(1000);
  }

  async #read(count: number, ageMs: number, own: boolean): Promise<void> {
    const { clock, line } = this.#watch.epoch();
    const monoMs = Math.max(0, this.#mono - ageMs);
    const sourceMs = this.#trueMs - ageMs;
    const given = Array.from({ length: count }, () => ({ name: "n", value: this.#told.length, monoMs }));
    const readings = given.map((reading) => (own ? { ...reading, sourceMs } : reading));
    const now = { monoMs: this.#mono, baseMs: line.baseMs };
    const admitted = admit(readings, {}, now, { lastIn: new Map() }, () => undefined);
    const trueMs = this.#trueMs - (this.#mono - monoMs);
    for (const reading of admitted)
      this.#told.push({ stream: this.#stream, trueMs, rawMs: reading.timeMs, monoMs, own });
    await this.#journal.append({ driver: "d", readings: admitted, clock, line });
  }

  async take(readingsMax: number): Promise<Taken | null> {
    const limits = { readingsMax, bytesMax: 1e9, sizeOf: () => 1 };
    const taken = await takeAny(this.#store, limits);
    if (taken === null) return null;
    this.#journal.taken(taken);
    for (const reading of taken.readings) this.#check(taken, reading.timeMs, this.#told.shift());
    this.taken.push(taken);
    return taken;
  }

  /** What holds for each reading of each event. */
  #check({ clock, offsetMs, stream }: Taken, timeMs: number, told: Told | undefined): void {
    if (told === undefined) throw new Error("more readings came out than went in");
    expect(stream.name).toBe(told.stream);
    expect(timeMs - offsetMs).toBe(told.rawMs);
    expect(timeMs).toBeGreaterThanOrEqual(BUILD);
    if (told.own) {
      expect(timeMs).toBe(told.trueMs);
      return;
    }
    if (clock !== "unset") expect(Math.abs(timeMs - told.trueMs)).toBeLessThanOrEqual(2 * HELD_ERROR_MS);
    if (!this.#known.has(stream.name)) expect(clock).toBe("unset");
  }
}

const wipe = (store: Store): Promise<void> =>
  store.transaction((database) => {
    for (const table of ["chunk", "epoch", "loss", "stream"])
      database.prepare(`DELETE FROM journal_${table}`).run();
  });

describe("times under clocks that jump, step, and begin at 1970", () => {
  it("are right wherever the clock is said to be known, raw times stay, nothing is out of order", async () => {
    const store = await openTestStore(join(temporaryFolder(), "j.db"), { migrations: [journalMigrations] });
    onTestFinished(() => store.close().catch(ignore));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("1970" as const, "saved" as const, "battery" as const),
        fc.array(step, { maxLength: 40 }),
        async (kind, steps) => {
          await wipe(store);
          const board = new Board(store);
          await board.boot(kind);
          for (const what of steps) await board.do(what);
          while ((await board.take(7)) !== null);
          const boots = board.taken.map(({ stream }) => stream.bootSeq);
          expect(boots).toEqual([...boots].sort((a, b) => a - b));
        },
      ),
      { numRuns: 800, interruptAfterTimeLimit: 15_000 },
    );
  });
});
