// A loss is told with what is known of it: when, whose readings, why. And a stream tells which one it followed, and where that one ended.
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Journal, type JournalTime, openJournal } from "#agent/journal/journal.ts";
import type { JournalPolicy } from "#agent/journal/ledger.ts";
import { lostByReason } from "#agent/journal/losses.ts";
import { addCounts, countByChannel, OTHERS } from "#agent/journal/lost-channels.ts";
import { liveStream } from "#agent/journal/stream.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { Taken } from "#agent/journal/take.ts";
import type { Store } from "#agent/store/store.ts";
import { encodeLoss, encodePlain } from "#agent/telemetry/event.ts";
import { parseLoss, parseTelemetry } from "#agent/telemetry/parse.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { manualTimers } from "#test/drivers/harness.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import { takeAny } from "./support.ts";

const NOW = 1_000_000;

const bench = async () => {
  const store = await openTestStore(join(temporaryFolder(), "j.db"), { migrations: [journalMigrations] });
  onTestFinished(() => store.close().catch(() => undefined));
  const time: JournalTime = {
    clock: { monoMs: () => 0, wallMs: () => NOW },
    timers: manualTimers(),
    clockKnown: () => true,
  };
  const open = (boot: string, policy: Partial<JournalPolicy> = {}) =>
    openJournal(
      store,
      { id: boot },
      `stream of ${boot}`,
      { bytesMax: 1e9, whenFull: "drop-oldest", ...policy },
      undefined,
      time,
    );
  return { store, open };
};

const take = (store: Store): Promise<Taken | null> =>
  takeAny(store, { readingsMax: 100_000, bytesMax: 1e9, sizeOf: () => 1 });

const some = (count: number, name = "n"): StampedReading[] =>
  Array.from({ length: count }, (_, at) => ({ name, value: at, timeMs: at, monoMs: at }));

const append = (journal: Journal, ...readings: readonly StampedReading[]) =>
  journal.append({ driver: "d", clock: "ntp", readings });

describe("a loss", () => {
  it("names the channels of a chunk that gave way", async () => {
    const { open, store } = await bench();
    const journal = await open("one", { bytesMax: 1000 });
    await append(journal, ...some(10, "gps/lat"), ...some(20, "battery"));
    await append(journal, ...some(30, "n"));
    const taken = await take(store);
    expect(taken?.lost).toEqual([
      {
        from: 0,
        count: 30,
        reason: "full",
        fromMs: NOW,
        untilMs: NOW,
        channels: new Map([
          ["gps/lat", 10],
          ["battery", 20],
        ]),
      },
    ]);
    expect(store.read(lostByReason)).toEqual({ full: 30 });
  });

  it("names the channels of what was refused, with when", async () => {
    const { open, store } = await bench();
    const journal = await open("one", { bytesMax: 1000, whenFull: "reject" });
    expect(await append(journal, ...some(100, "a"))).toMatchObject({ outcome: "refused" });
    expect(await append(journal, ...some(100, "b"))).toMatchObject({ outcome: "refused" });
    await append(journal, ...some(1));
    const channels = new Map([
      ["a", 100],
      ["b", 100],
    ]);
    expect((await take(store))?.lost).toMatchObject([
      { count: 200, reason: "refused", fromMs: NOW, channels },
    ]);
  });

  it("is counted once however often its run is thinned anew", async () => {
    const { open, store } = await bench();
    const journal = await open("one", { bytesMax: 2000, whenFull: "thin" });
    for (let at = 0; at < 60; at += 1) await append(journal, ...some(20, "a"));
    const taken: Taken[] = [];
    for (let one = await take(store); one !== null; one = await take(store)) taken.push(one);
    const lost = taken.flatMap((each) => each.lost);
    const told = lost.reduce((sum, { count }) => sum + count, 0);
    expect(told + taken.reduce((sum, each) => sum + each.readings.length, 0)).toBe(1200);
    const counted = Object.values(store.read(lostByReason)).reduce((sum, count) => sum + count, 0);
    expect(counted).toBe(told);
    expect(lost.reduce((sum, { channels }) => sum + (channels?.get("a") ?? 0), 0)).toBe(told);
    expect(lost.every(({ fromMs, untilMs }) => fromMs !== undefined && untilMs !== undefined)).toBe(true);
  });

  it("names few channels, those that lost most, and the rest together", () => {
    const readings = Array.from({ length: 20 }, (_, at) => some(at + 1, `c${at}`)).flat();
    const counts = countByChannel(readings);
    expect(counts.size).toBe(8);
    expect(counts.get("c19")).toBe(20);
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(readings.length);
    const twice = addCounts(counts, countByChannel(some(100, "new")), counts);
    expect([twice.size, twice.get("new"), twice.has(OTHERS)]).toEqual([8, 100, true]);
    expect([...twice.values()].reduce((sum, count) => sum + count, 0)).toBe(2 * readings.length + 100);
  });

  const head = {
    device: "d",
    stream: "s",
    epoch: { boot: "b", bootSeq: 1, clock: "ntp" as const },
    seq: 0,
    after: { stream: "before", end: 7 },
    lost: [
      {
        from: 0,
        count: 2,
        reason: "full",
        fromMs: 5,
        untilMs: 9,
        channels: new Map([
          ["a", 1],
          ["__proto__", 1],
        ]),
      },
      { from: 2, count: 1, reason: "unreadable" },
    ],
  };
  const received = {
    after: { stream: "before", end: 7 },
    lost: [
      { from: 0, count: 2, reason: "full", fromMs: 5, untilMs: 9 },
      { from: 2, count: 1, reason: "unreadable" },
    ],
    lostChannels: new Map([
      ["a", 1],
      ["__proto__", 1],
    ]),
  };

  it("is read from an event as it was told", () => {
    expect(parseLoss(encodeLoss(head))).toMatchObject(received);
    expect(parseTelemetry(encodePlain({ ...head, readings: some(1) }))).toMatchObject(received);
  });
});

describe("a stream", () => {
  const followed = (store: Store) => store.read(liveStream)?.after;

  it("knows which one it followed, and how many numbers that one had", async () => {
    const { open, store } = await bench();
    await append(await open("one"), ...some(5));
    await take(store);
    await open("two");
    expect(followed(store)).toEqual({ stream: "stream of one", end: 5 });
  });

  it("that held nothing hands on the one before it", async () => {
    const { open, store } = await bench();
    await append(await open("one"), ...some(5));
    await open("two");
    await open("three");
    expect(followed(store)).toEqual({ stream: "stream of one", end: 5 });
    const journal = await open("four");
    await append(journal, ...some(2));
    await journal.beginStream("more of four");
    expect(followed(store)).toEqual({ stream: "stream of four", end: 2 });
  });
});
