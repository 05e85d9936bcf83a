// What gives way: by age, by thinning, by channel; what it is told as; and that the space comes back.
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Journal, type JournalTime, openJournal } from "#agent/journal/journal.ts";
import type { JournalPolicy } from "#agent/journal/ledger.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { Taken } from "#agent/journal/take.ts";
import { keepEvery, keepMinMax } from "#agent/journal/thin.ts";
import type { Store } from "#agent/store/store.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { manualTimers } from "#test/drivers/harness.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import { takeAny } from "./support.ts";

interface Bench {
  readonly store: Store;
  readonly path: string;
  readonly now: { monoMs: number; wallMs: number; known: boolean };
  open(boot: string, policy: Partial<JournalPolicy>): Promise<Journal>;
  take(journal: Journal, isExpired?: (reading: StampedReading) => boolean): Promise<Taken | null>;
}

const bench = async (): Promise<Bench> => {
  const path = join(temporaryFolder(), "j.db");
  const store = await openTestStore(path, { migrations: [journalMigrations] });
  onTestFinished(() => store.close().catch(() => undefined));
  const now = { monoMs: 0, wallMs: 1_000_000, known: true };
  const time: JournalTime = {
    clock: { monoMs: () => now.monoMs, wallMs: () => now.wallMs },
    timers: manualTimers(),
    clockKnown: () => now.known,
  };
  return {
    store,
    path,
    now,
    open: (boot, policy) =>
      openJournal(
        store,
        { id: boot },
        `stream of ${boot}`,
        { bytesMax: 1e9, whenFull: "drop-oldest", ...policy },
        undefined,
        time,
      ),
    take: async (journal, isExpired) => {
      const limits = { readingsMax: 100_000, bytesMax: 1e9, sizeOf: () => 1 };
      const taken = await takeAny(store, isExpired === undefined ? limits : { ...limits, isExpired });
      if (taken !== null) journal.taken(taken);
      return taken;
    },
  };
};

const range = (from: number, count: number, name = "n"): StampedReading[] =>
  Array.from({ length: count }, (_, at) => ({
    name,
    value: from + at,
    timeMs: from + at,
    monoMs: from + at,
  }));

const append = (journal: Journal, readings: readonly StampedReading[], clock: "ntp" | "unset" = "ntp") =>
  journal.append({ driver: "d", clock, readings });

describe("what waits too long", () => {
  it("is dropped by age, counted, dated and told", async () => {
    const { now, open, take } = await bench();
    const journal = await open("one", { ageMaxMs: 1000 });
    await append(journal, range(0, 10));
    Object.assign(now, { monoMs: 1001, wallMs: 1_001_001 });
    await append(journal, range(10, 10));
    expect(journal.depth()).toMatchObject({ readings: 10, lost: 10 });
    expect(await take(journal)).toMatchObject({
      seq: 0,
      lost: [{ from: 0, count: 10, reason: "aged", fromMs: 1_000_000, untilMs: 1_000_000 }],
    });
  });

  it("has the same age whatever was done to the wall clock meanwhile", async () => {
    const { now, open } = await bench();
    const journal = await open("one", { ageMaxMs: 1000 });
    await append(journal, range(0, 10));
    Object.assign(now, { monoMs: 900, wallMs: 1_000_000 + 50 * 365 * 86_400_000 });
    await append(journal, range(10, 10));
    expect(journal.depth().lost).toBe(0);
  });

  it("is aged across boots by the wall clock, but only where both knew it", async () => {
    const { now, open } = await bench();
    await append(await open("one", {}), range(0, 10));
    await append(await open("unset", {}), range(0, 10), "unset");
    Object.assign(now, { monoMs: 5, wallMs: 1_002_000 });
    const journal = await open("three", { ageMaxMs: 1000 });
    await append(journal, range(0, 10));
    await journal.expire();
    expect(journal.depth()).toMatchObject({ readings: 20, lost: 10 });
  });

  it("for its channel alone is told as expired behind what stays of its chunk", async () => {
    const { open, take } = await bench();
    const journal = await open("one", {});
    await append(journal, [...range(0, 3, "kept"), ...range(0, 2, "old"), ...range(3, 3, "kept")]);
    const taken = await take(journal, ({ name }) => name === "old");
    expect(taken?.readings.map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(taken).toMatchObject({ seq: 0, expired: 2, lost: [{ from: 6, count: 2, reason: "expired" }] });
    expect(journal.depth()).toMatchObject({ readings: 0, bytes: 0, lost: 2 });
  });
});

describe("thinning", () => {
  it("keeps every n-th of each channel", () => {
    const mixed = range(0, 6, "a").flatMap((reading, at) => [reading, ...range(at, 1, "b")]);
    expect(keepEvery(mixed, 3).map(({ name, value }) => `${name}${String(value)}`)).toEqual([
      "a0",
      "b0",
      "a3",
      "b3",
    ]);
  });

  it("keeps the least and the greatest of each window, in their order", () => {
    const values = [5, 1, 9, 4, 2, 2, 8];
    const readings = values.map((value, at) => ({ name: "n", value, timeMs: at, monoMs: at * 10 }));
    expect(keepMinMax(readings, 40).map(({ value }) => value)).toEqual([1, 9, 2, 8]);
  });

  it("of a full journal keeps the whole time at a lower resolution, each number told once", async () => {
    const { open, take } = await bench();
    const journal = await open("one", { bytesMax: 12_000, whenFull: "thin" });
    const noise = (at: number): number => Math.sin(at * 12.9898) * 43758.5453;
    for (let from = 0; from < 8000; from += 20)
      await append(
        journal,
        range(from, 20).map((reading, at) => ({ ...reading, value: noise(from + at) })),
      );
    expect(journal.depth().bytes).toBeLessThanOrEqual(12_000);
    const { lost, readings } = journal.depth();
    expect(readings + lost).toBe(8000);
    let [told, first, last] = [0, Number.POSITIVE_INFINITY, 0];
    for (let taken = await take(journal); taken !== null; taken = await take(journal)) {
      expect(taken.seq).toBe(told);
      told += taken.readings.length + taken.lost.reduce((sum, { count }) => sum + count, 0);
      const times = taken.readings.map(({ timeMs }) => timeMs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      first = Math.min(first, ...times);
      last = Math.max(last, ...times);
    }
    // Thinned to the end of a run, its last numbers have no reading behind them yet.
    await append(journal, range(8000, 1));
    const rest = await take(journal);
    expect((rest?.seq ?? 0) + (rest?.readings.length ?? 0) + (rest?.lost[0]?.count ?? 0)).toBe(8001);
    expect(last).toBeGreaterThan(7900);
    expect(first).toBeLessThan(4000);
    expect(journal.depth()).toMatchObject({ readings: 0, bytes: 0 });
  });
});

describe("streams", () => {
  it("live readings go ahead of a backlog in a stream of their own, which says where the one before ended", async () => {
    const { open, store, take } = await bench();
    const journal = await open("one", {});
    await append(journal, range(0, 10));
    await journal.beginStream("ahead");
    await append(journal, range(10, 5));
    expect(journal.depth()).toMatchObject({ readings: 15, live: 5 });
    const { takeOldest } = await import("#agent/journal/take.ts");
    const limits = { readingsMax: 100, bytesMax: 1e9, sizeOf: () => 1 };
    const live = await store.transaction((database) => takeOldest(database, store.vault, "live", limits));
    if (live !== null) journal.taken(live);
    expect(live).toMatchObject({
      seq: 0,
      stream: { name: "ahead", bootSeq: 1, after: { stream: "stream of one", end: 10 } },
    });
    expect(live?.readings).toHaveLength(5);
    expect(journal.depth()).toMatchObject({ readings: 10, live: 0 });
    const backlog = await take(journal);
    expect(backlog).toMatchObject({ seq: 0, stream: { name: "stream of one" } });
    expect(backlog?.readings).toHaveLength(10);
    await append(journal, range(15, 1));
    expect(await take(journal)).toMatchObject({ seq: 5, stream: { name: "ahead" } });
  });
});

describe("the disk", () => {
  it("gets its space back when a backlog has gone", async () => {
    const { open, path, store, take } = await bench();
    const journal = await open("one", {});
    const text = (at: number): StampedReading => ({
      name: "n",
      value: Buffer.from(store.vault.seal("x", new Uint8Array(20_000))).toString("base64"),
      timeMs: at,
      monoMs: at,
    });
    for (let at = 0; at < 1000; at += 20)
      await append(
        journal,
        Array.from({ length: 20 }, (_, more) => text(at + more)),
      );
    while ((await take(journal)) !== null);
    await store.close();
    expect(statSync(path).size).toBeLessThan(22_000_000);
  });
});
