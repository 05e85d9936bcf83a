// The journal where it is full, damaged, flooded or old.
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Journal, openJournal } from "#agent/journal/journal.ts";
import { type JournalPolicy, loadLedger } from "#agent/journal/ledger.ts";
import { RECEIPTS_MAX } from "#agent/journal/limits.ts";
import { isRepeated, remember } from "#agent/journal/receipts.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { Taken } from "#agent/journal/take.ts";
import type { Store } from "#agent/store/store.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import { takeAny } from "./support.ts";

const openStore = async (): Promise<Store> => {
  const store = await openTestStore(join(temporaryFolder(), "j.db"), { migrations: [journalMigrations] });
  onTestFinished(() => store.close().catch(() => undefined));
  return store;
};

const KEEP: JournalPolicy = { bytesMax: 1e9, whenFull: "drop-oldest" };

const boot = (store: Store, id: string, policy: JournalPolicy = KEEP): Promise<Journal> =>
  openJournal(store, { id }, `stream of ${id}`, policy);

const readings = (count: number, value: StampedReading["value"] = 1): StampedReading[] =>
  Array.from({ length: count }, () => ({ name: "n", value, timeMs: 0, monoMs: 0 }));

const append = (journal: Journal, given: readonly StampedReading[]): ReturnType<Journal["append"]> =>
  journal.append({ driver: "d", clock: "ntp", readings: given });

const take = (store: Store, readingsMax = 1000): Promise<Taken | null> =>
  takeAny(store, { readingsMax, bytesMax: 1e9, sizeOf: () => 1 });

const count = (store: Store, table: string): unknown =>
  store.read((database) => database.prepare(`SELECT count(*) AS n FROM ${table}`).get())?.["n"];

describe("the journal", () => {
  it("tells the losses of a boot of which nothing is left, before what comes next", async () => {
    const store = await openStore();
    await append(await boot(store, "one"), readings(30));
    const later = await boot(store, "two", { bytesMax: 1700, whenFull: "drop-oldest" });
    await append(later, readings(30));
    expect(await take(store)).toMatchObject({
      stream: { name: "stream of one" },
      seq: 0,
      readings: [],
      lost: [{ from: 0, count: 30, reason: "full" }],
    });
    expect(await take(store)).toMatchObject({ stream: { name: "stream of two" }, seq: 0, lost: [] });
    expect(count(store, "journal_loss")).toBe(0);
  });

  it("notes a long loss as one run, however many chunks it took", async () => {
    const store = await openStore();
    const journal = await boot(store, "one", { bytesMax: 3000, whenFull: "drop-oldest" });
    for (let index = 0; index < 40; index += 1) await append(journal, readings(5));
    expect(count(store, "journal_loss")).toBe(1);
  });

  it("steps over a chunk whose bits the disk has changed, and says so", async () => {
    const store = await openStore();
    const journal = await boot(store, "one");
    for (const value of [1, 2, 3]) await append(journal, readings(2, value));
    await store.transaction((database) =>
      database.prepare("UPDATE journal_chunk SET data = zeroblob(length(data)) WHERE first_seq = 2").run(),
    );
    const taken = await take(store);
    if (taken !== null) journal.taken(taken);
    expect(taken).toMatchObject({
      seq: 0,
      unreadable: 2,
      lost: [{ from: 2, count: 2, reason: "unreadable" }],
    });
    expect(taken?.readings.map(({ value }) => value)).toEqual([1, 1, 3, 3]);
    expect(journal.depth()).toEqual({ readings: 0, bytes: 0, lost: 2, live: 0 });
  });

  it("tells a damaged chunk that stands alone as a loss, and numbers on behind it", async () => {
    const store = await openStore();
    const journal = await boot(store, "one");
    await append(journal, readings(2));
    await store.transaction((database) => database.prepare("UPDATE journal_chunk SET data = x'00'").run());
    expect(await take(store)).toMatchObject({ readings: [], lost: [{ from: 0, count: 2 }] });
    const ledger = await store.transaction((database) => loadLedger(database, { id: "one" }, ""));
    expect(ledger.nextSeq).toBe(2);
  });

  it("forgets the streams of earlier boots once nothing of them waits", async () => {
    const store = await openStore();
    for (const id of ["one", "two", "three"]) {
      await append(await boot(store, id), readings(1));
      if (id !== "three") await take(store);
    }
    await boot(store, "four");
    expect(count(store, "journal_stream")).toBe(2);
    expect(await take(store)).toMatchObject({ stream: { name: "stream of three", bootSeq: 3 } });
  });

  it("refuses more than it may hold while the disk is stuck: in readings and in bytes", async () => {
    const store = await openStore();
    const journal = await boot(store, "one");
    const long = Array.from({ length: 40 }, () => append(journal, readings(1, "x".repeat(1_000_000))));
    const outcomes = (await Promise.all(long)).map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === "refused").length).toBeGreaterThan(0);
    expect(await append(journal, readings(100_001))).toMatchObject({ outcome: "refused" });
  });

  it("with reject, counts what waits for the disk as waiting", async () => {
    const store = await openStore();
    const journal = await boot(store, "one", { bytesMax: 10_000, whenFull: "reject" });
    const many = await Promise.all(Array.from({ length: 50 }, () => append(journal, readings(10))));
    const refused = many.filter(({ outcome }) => outcome === "refused").length;
    expect(refused).toBeGreaterThan(25);
    expect(journal.depth().lost).toBe(refused * 10);
    expect(journal.depth().bytes).toBeLessThanOrEqual(10_000);
  });

  it("never makes a chunk that costs much to open", async () => {
    const store = await openStore();
    await append(await boot(store, "one"), readings(100, "x".repeat(40_000)));
    const longest = store.read((database) =>
      database.prepare("SELECT max(length(data)) AS n FROM journal_chunk").get(),
    );
    expect(Number(longest?.["n"])).toBeLessThan(300_000);
  });
});

describe("receipts", () => {
  it("of a quiet source are kept while a busy one writes more than are kept of each", async () => {
    const store = await openStore();
    await boot(store, "one");
    const given = (key: string) => ({ key, maybeRepeated: true });
    await store.transaction((database) => {
      const unpruned = new Map<string, number>();
      remember(database, unpruned, "quiet", given("old"));
      for (let index = 0; index < RECEIPTS_MAX + 3000; index += 1)
        remember(database, unpruned, "busy", given(String(index)));
      expect(isRepeated(database, "quiet", given("old"))).toBe(true);
      expect(isRepeated(database, "busy", given("0"))).toBe(false);
      expect(isRepeated(database, "busy", given("3000"))).toBe(true);
    });
    expect(Number(count(store, "journal_receipt"))).toBeLessThanOrEqual(RECEIPTS_MAX + 1025);
  });
});
