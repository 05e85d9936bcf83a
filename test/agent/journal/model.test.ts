// The journal against a naive twin in memory: any interleaving of deliveries, takes, restarts and boots. The twin knows nothing of chunks, seals or
// tables; what was dropped for want of room it is told (how much depends on sealed sizes), and holds the journal to having told the room the same.
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Journal, openJournal } from "#agent/journal/journal.ts";
import type { JournalPolicy } from "#agent/journal/ledger.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { Taken } from "#agent/journal/take.ts";
import type { Store } from "#agent/store/store.ts";
import type { ClockState } from "#agent/telemetry/reading.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import { takeAny } from "./support.ts";

interface Delivery {
  readonly driver: string;
  readonly count: number;
  readonly clock: ClockState;
  readonly key: number | null;
  readonly maybeRepeated: boolean;
}

type Step =
  | { readonly do: "append"; readonly deliveries: readonly Delivery[] }
  | { readonly do: "take"; readonly readings: number; readonly bytes: number }
  | { readonly do: "reopen" }
  | { readonly do: "boot" };

const delivery: fc.Arbitrary<Delivery> = fc.record({
  driver: fc.constantFrom("a", "b"),
  count: fc.integer({ min: 1, max: 12 }),
  clock: fc.constantFrom<ClockState>("ntp", "ntp", "ntp", "unset"),
  key: fc.option(fc.nat(3)),
  maybeRepeated: fc.boolean(),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      deliveries: fc.array(delivery, { maxLength: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("take" as const),
      readings: fc.integer({ min: 1, max: 20 }),
      bytes: fc.integer({ min: 1, max: 20 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("boot" as const) }) },
);

interface Entry {
  readonly stream: string;
  readonly seq: number;
  readonly value: number;
  readonly clock: ClockState;
}

/** What is at hand in a run: the journal, and the twin's view of it. */
class Run {
  readonly #store: Store;
  readonly #policy: JournalPolicy;
  #journal!: Journal;
  #boots = 0;
  #nextValue = 0;
  #lostBefore = 0;
  readonly #nextSeq = new Map<string, number>();
  readonly #receipts = new Set<string>();
  /** Oldest first. */
  #waiting: Entry[] = [];
  readonly #dropped = new Set<string>();
  /** Refused, and not told yet: they get numbers with the next commit, which nobody can foresee here. */
  #refused = 0;
  /** How far each stream was told to the room. */
  readonly #told = new Map<string, number>();

  constructor(store: Store, policy: JournalPolicy) {
    this.#store = store;
    this.#policy = policy;
  }

  get #stream(): string {
    return `s${this.#boots}`;
  }

  async open(newBoot: boolean): Promise<void> {
    if (newBoot) this.#boots += 1;
    const boot = { id: `b${this.#boots}` };
    this.#journal = await openJournal(this.#store, boot, this.#stream, this.#policy);
    this.#lostBefore = 0;
  }

  async do(what: Step): Promise<void> {
    if (what.do === "append") await this.#append(what.deliveries);
    else if (what.do === "take") await this.take(what.readings, what.bytes);
    else await this.open(what.do === "boot");
    this.#checkNumbers();
  }

  async #append(deliveries: readonly Delivery[]): Promise<void> {
    const first = deliveries.map(({ count }) => {
      const value = this.#nextValue;
      this.#nextValue += count;
      return value;
    });
    const outcomes = await Promise.all(
      deliveries.map(({ clock, count, driver, key, maybeRepeated }, index) =>
        this.#journal.append({
          driver,
          clock,
          readings: Array.from({ length: count }, (_, at) => ({
            name: "n",
            value: (first[index] ?? 0) + at,
            timeMs: 0,
            monoMs: 0,
          })),
          ...(key === null ? {} : { receipt: { key: String(key), maybeRepeated } }),
        }),
      ),
    );
    for (const [index, given] of deliveries.entries())
      this.#account(given, first[index] ?? 0, outcomes[index]?.outcome);
    this.#drop();
  }

  #account(
    { clock, count, driver, key, maybeRepeated }: Delivery,
    value: number,
    outcome: string | undefined,
  ): void {
    const receipt = `${driver} ${key}`;
    if (outcome === "refused") {
      expect(this.#policy.whenFull).toBe("reject");
      this.#lostBefore += count;
      this.#refused += count;
      return;
    }
    const known = key !== null && maybeRepeated && this.#receipts.has(receipt);
    expect(outcome).toBe(known ? "repeated" : "durable");
    if (key !== null) this.#receipts.add(receipt);
    if (known) return;
    const seq = this.#nextSeq.get(this.#stream) ?? 0;
    this.#nextSeq.set(this.#stream, seq + count);
    for (let at = 0; at < count; at += 1)
      this.#waiting.push({ stream: this.#stream, seq: seq + at, value: value + at, clock });
  }

  #drop(): void {
    const { lost } = this.#journal.depth();
    for (const { seq, stream } of this.#waiting.splice(0, lost - this.#lostBefore))
      this.#dropped.add(`${stream} ${seq}`);
    this.#lostBefore = lost;
  }

  /** The numbers kept in memory are those of the tables. */
  #checkNumbers(): void {
    const { bytes, readings } = this.#journal.depth();
    const stored = this.#store.read((database) =>
      database.prepare("SELECT coalesce(sum(length(data)), 0) AS bytes FROM journal_chunk").get(),
    );
    expect({ readings, bytes }).toEqual({ readings: this.#waiting.length, bytes: stored?.["bytes"] });
  }

  async take(readingsMax: number, bytesMax: number): Promise<Taken | null> {
    const limits = { readingsMax, bytesMax: bytesMax * 100, sizeOf: () => 100 };
    const taken = await takeAny(this.#store, limits);
    if (taken === null) {
      expect(this.#waiting).toEqual([]);
      return null;
    }
    this.#journal.taken(taken);
    expect(taken.readings.length).toBeLessThanOrEqual(Math.min(readingsMax, bytesMax));
    this.#checkTaken(taken);
    return taken;
  }

  #checkTaken({ clock, lost, readings, seq, stream }: Taken): void {
    expect(seq).toBe(this.#told.get(stream.name) ?? 0);
    const gone = lost.flatMap(({ count, from, reason }) => {
      expect(reason).toBe(this.#policy.whenFull === "reject" ? "refused" : "full");
      return Array.from({ length: count }, (_, at) => from + at);
    });
    const due = this.#waiting.splice(0, readings.length);
    if (this.#policy.whenFull === "reject") {
      this.#refused -= gone.length;
      expect(this.#refused).toBeGreaterThanOrEqual(0);
      expect(readings.map(({ value }) => value)).toEqual(due.map(({ value }) => value));
      this.#told.set(stream.name, seq + gone.length + due.length);
      return;
    }
    for (const number of gone) expect(this.#dropped.delete(`${stream.name} ${number}`)).toBe(true);
    expect(readings.map(({ value }) => value)).toEqual(due.map(({ value }) => value));
    for (const entry of due) expect(entry).toMatchObject({ stream: stream.name, clock });
    const covered = [...gone, ...due.map((entry) => entry.seq)].sort((a, b) => a - b);
    expect(covered).toEqual(covered.map((_, index) => seq + index));
    expect(covered.length).toBeGreaterThan(0);
    this.#told.set(stream.name, seq + covered.length);
  }

  /** Everything out: each number of each stream was told once, as a reading or as lost. */
  async finish(): Promise<void> {
    await this.#append([{ driver: "z", count: 1, clock: "ntp", key: null, maybeRepeated: false }]);
    while ((await this.take(7, 5)) !== null);
    if (this.#policy.whenFull === "drop-oldest") expect(this.#told).toEqual(this.#nextSeq);
    expect([...this.#dropped]).toEqual([]);
    expect(this.#journal.depth()).toMatchObject({ readings: 0, bytes: 0 });
  }
}

const wipe = (store: Store): Promise<void> =>
  store.transaction((database) => {
    for (const table of ["chunk", "loss", "receipt", "stream", "boot"])
      database.prepare(`DELETE FROM journal_${table}`).run();
  });

describe("the journal is as its naive twin", () => {
  it.each(["drop-oldest", "reject"] as const)("when full: %s", async (whenFull) => {
    const store = await openTestStore(join(temporaryFolder(), "j.db"), { migrations: [journalMigrations] });
    onTestFinished(() => store.close().catch(() => undefined));
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 500, max: 6000 }),
        fc.array(step, { maxLength: 25 }),
        async (bytesMax, steps) => {
          await wipe(store);
          const run = new Run(store, { bytesMax, whenFull });
          await run.open(true);
          for (const what of steps) await run.do(what);
          await run.finish();
        },
      ),
      { numRuns: 150, interruptAfterTimeLimit: 12_000 },
    );
  });
});
