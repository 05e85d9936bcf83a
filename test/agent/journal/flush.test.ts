// What waits in memory: for how long, who is answered when, and what cuts it short.
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { flushOf } from "#agent/ingest/flush.ts";
import { type Journal, openJournal } from "#agent/journal/journal.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import { type Store, StoreError } from "#agent/store/store.ts";
import { type ManualTimers, manualTimers } from "#test/drivers/harness.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";

interface Bench {
  readonly journal: Journal;
  readonly store: Store;
  readonly timers: ManualTimers;
  readonly fail: { now: boolean };
  append(flushMs: number, key?: string, count?: number): Promise<{ readonly outcome: string }>;
  chunks(): number[];
}

const bench = async (): Promise<Bench> => {
  const store = await openTestStore(join(temporaryFolder(), "j.db"), { migrations: [journalMigrations] });
  onTestFinished(() => store.close().catch(() => undefined));
  const timers = manualTimers();
  const clock = { monoMs: () => timers.nowMs(), wallMs: () => timers.nowMs() };
  const fail = { now: false };
  const failing: Store = {
    ...store,
    failed: store.failed,
    vault: store.vault,
    transaction: (work) =>
      fail.now ? Promise.reject(new StoreError("BUSY", "busy")) : store.transaction(work),
  };
  const policy = { bytesMax: 1e9, whenFull: "drop-oldest" } as const;
  const time = { clock, timers, clockKnown: () => true };
  const journal = await openJournal(failing, { id: "one" }, "s", policy, undefined, time);
  return {
    journal,
    store,
    timers,
    fail,
    append: (flushMs, key, count = 1) =>
      journal.append({
        driver: "d",
        clock: "ntp",
        flushMs,
        readings: Array.from({ length: count }, () => ({ name: "n", value: 1, timeMs: 0, monoMs: 0 })),
        ...(key === undefined ? {} : { receipt: { key, maybeRepeated: false } }),
      }),
    chunks: () =>
      store.read((database) =>
        database
          .prepare("SELECT count FROM journal_chunk ORDER BY id")
          .all()
          .map(({ count }) => Number(count)),
      ),
  };
};

describe("a flush interval", () => {
  it("answers a source that cannot send again at once, and writes all of the interval as one chunk", async () => {
    const { append, chunks, journal, timers } = await bench();
    for (let at = 0; at < 9; at += 1) expect(await append(1000)).toEqual({ outcome: "accepted" });
    timers.advance(999);
    expect(chunks()).toEqual([]);
    timers.advance(1);
    await journal.flush();
    expect(chunks()).toEqual([9]);
  });

  it("answers a source that waits for an acknowledgement only when its reading is on the disk", async () => {
    const { append, chunks, timers } = await bench();
    let answered = "";
    const pending = append(1000, "k").then(({ outcome }) => {
      answered = outcome;
    });
    await Promise.resolve();
    expect(answered).toBe("");
    timers.advance(1000);
    await pending;
    expect(answered).toBe("durable");
    expect(chunks()).toEqual([1]);
  });

  it("ends early for a broker that sends no more until it is answered", async () => {
    const { append } = await bench();
    const all = Array.from({ length: 10 }, (_, at) => append(60_000, String(at)));
    expect((await Promise.all(all)).every(({ outcome }) => outcome === "durable")).toBe(true);
  });

  it("ends early with what is made durable at once, in the order in which all came", async () => {
    const { append, chunks } = await bench();
    await append(60_000);
    expect(await append(0)).toEqual({ outcome: "durable" });
    expect(chunks()).toEqual([2]);
  });

  it("is shortened by a delivery that may wait less", async () => {
    const { append, chunks, journal, timers } = await bench();
    await append(60_000);
    await append(1000);
    timers.advance(1000);
    await journal.flush();
    expect(chunks()).toEqual([2]);
  });

  it("holds no more than stated in memory", async () => {
    const { append, chunks, journal } = await bench();
    for (let at = 0; at < 5; at += 1) await append(60_000, undefined, 999);
    await journal.beginStream("next");
    expect(chunks().reduce((sum, count) => sum + count, 0)).toBe(4995);
  });

  it("that the store would not take is told as lost, with the numbers behind it", async () => {
    const { append, fail, journal, store, timers } = await bench();
    await append(1000);
    fail.now = true;
    timers.advance(1000);
    await journal.flush().catch(() => undefined);
    fail.now = false;
    await append(0);
    expect(journal.depth()).toMatchObject({ readings: 1, lost: 1 });
    const losses = store.read((database) => database.prepare("SELECT * FROM journal_loss").all());
    expect(losses).toMatchObject([{ from_seq: 0, count: 1, reason: "store" }]);
  });
});

describe("how long a delivery may wait", () => {
  const reading = (name: string) => ({ name, value: 1, timeMs: 0, monoMs: 0 });

  it("is what its driver says, else the default, and the shortest of its channels", () => {
    const of = flushOf(
      { default: 1000, drivers: { gps: 0 }, channels: { slow: 60_000, fast: 10 } },
      (name) => name === "fire",
    );
    expect(of("gps", [reading("x")])).toBe(0);
    expect(of("other", [reading("x")])).toBe(1000);
    expect(of("other", [reading("slow")])).toBe(60_000);
    expect(of("other", [reading("slow"), reading("fast")])).toBe(10);
    expect(of("other", [reading("slow"), reading("fire")])).toBe(0);
  });
});
