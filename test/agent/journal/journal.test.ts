import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Journal, openJournal } from "#agent/journal/journal.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { Taken } from "#agent/journal/take.ts";
import type { Store } from "#agent/store/store.ts";
import type { ClockState } from "#agent/telemetry/reading.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import { takeAny } from "./support.ts";

interface Setup {
  readonly store: Store;
  readonly journal: Journal;
  append(values: readonly number[], clock?: ClockState): Promise<unknown>;
  take(readingsMax?: number): Promise<Taken | null>;
}

const setup = async (
  options: { path?: string; boot?: string; bytesMax?: number; whenFull?: "reject" | "drop-oldest" } = {},
): Promise<Setup> => {
  const { boot = "boot-1", bytesMax = 1e9, whenFull = "drop-oldest" } = options;
  const store = await openTestStore(options.path ?? join(temporaryFolder(), "j.db"), {
    migrations: [journalMigrations],
  });
  onTestFinished(() => store.close().catch(() => undefined));
  const journal = await openJournal(store, { id: boot }, `stream of ${boot}`, { bytesMax, whenFull });
  return {
    store,
    journal,
    append: (values, clock = "ntp") =>
      journal.append({
        driver: "d",
        clock,
        readings: values.map((value) => ({ name: "n", value, timeMs: value, monoMs: value })),
      }),
    take: async (readingsMax = 1000) => {
      const taken = await takeAny(store, { readingsMax, bytesMax: 1e9, sizeOf: () => 1 });
      if (taken !== null) journal.taken(taken);
      return taken;
    },
  };
};

const valuesOf = (taken: Taken | null): unknown[] => taken?.readings.map(({ value }) => value) ?? [];
const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index);

describe("the journal", () => {
  it("gives back what it took, in order, each once", async () => {
    const { append, take, journal } = await setup();
    await Promise.all([append([1, 2]), append([3]), append([4, 5])]);
    expect(valuesOf(await take(3))).toEqual([1, 2, 3]);
    expect(valuesOf(await take(3))).toEqual([4, 5]);
    expect(await take()).toBeNull();
    expect(journal.depth()).toMatchObject({ readings: 0, bytes: 0 });
  });

  it("goes on numbering where it stopped, in the same boot", async () => {
    const path = join(temporaryFolder(), "j.db");
    const first = await setup({ path });
    await first.append([1, 2, 3]);
    await first.take(2);
    await first.store.close();
    const second = await setup({ path });
    expect(second.journal.depth().readings).toBe(1);
    await second.append([4]);
    const taken = await second.take();
    expect(taken).toMatchObject({ seq: 2, lost: [], stream: { name: "stream of boot-1", bootSeq: 1 } });
    expect(valuesOf(taken)).toEqual([3, 4]);
  });

  it("begins a stream of its own in another boot, after what waits of the one before", async () => {
    const path = join(temporaryFolder(), "j.db");
    const first = await setup({ path });
    await first.append([1]);
    await first.store.close();
    const second = await setup({ path, boot: "boot-2" });
    await second.append([2]);
    expect(await second.take()).toMatchObject({ seq: 0, stream: { name: "stream of boot-1", bootSeq: 1 } });
    expect(await second.take()).toMatchObject({ seq: 0, stream: { name: "stream of boot-2", bootSeq: 2 } });
  });

  it("never puts readings of two clock states into one event", async () => {
    const { append, take } = await setup();
    await append([1], "unset");
    await append([2], "ntp");
    expect(await take()).toMatchObject({ clock: "unset", readings: [{ value: 1 }] });
    expect(await take()).toMatchObject({ clock: "ntp", seq: 1, readings: [{ value: 2 }] });
  });

  it("drops the oldest when it is full, and the next event says which and why", async () => {
    const { append, journal, take } = await setup({ bytesMax: 5000 });
    for (let from = 0; from < 1000; from += 50) await append(range(from, 50));
    const { lost, readings } = journal.depth();
    expect(lost).toBeGreaterThan(0);
    expect(lost + readings).toBe(1000);
    const taken = await take();
    expect(taken).toMatchObject({ seq: 0, lost: [{ from: 0, count: lost, reason: "full" }] });
    expect(valuesOf(taken)[0]).toBe(lost);
  });

  it("refuses the newest when it is full and told to, and keeps the rest", async () => {
    const { append, take } = await setup({ bytesMax: 3500, whenFull: "reject" });
    const outcomes: unknown[] = [];
    for (let from = 0; from < 500; from += 50) outcomes.push(await append(range(from, 50)));
    expect(outcomes[0]).toEqual({ outcome: "durable" });
    expect(outcomes.at(-1)).toMatchObject({
      outcome: "refused",
      reason: expect.stringContaining("the journal is full") as string,
    });
    expect(await take()).toMatchObject({ seq: 0, lost: [] });
  });

  it("holds nothing readable on the disk", async () => {
    const path = join(temporaryFolder(), "j.db");
    const { store, journal } = await setup({ path });
    await journal.append({
      driver: "d",
      clock: "ntp",
      readings: [{ name: "secret/place", value: "the quiet bay", timeMs: 1, monoMs: 1 }],
    });
    await store.close();
    const { readFileSync } = await import("node:fs");
    const bytes = readFileSync(path).toString("latin1");
    expect(bytes).not.toContain("quiet bay");
    expect(bytes).not.toContain("secret/place");
  });
});
