import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Journal, openJournal } from "#agent/journal/journal.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { Taken } from "#agent/journal/take.ts";
import type { Store } from "#agent/store/store.ts";
import type { ClockLine, ClockState } from "#agent/telemetry/reading.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import { takeAny } from "./support.ts";

const TRUE_BASE = Date.UTC(2026, 10, 24);
const RAW: ClockLine = { baseMs: 0, offsetMs: 0 };
const RIGHT: ClockLine = { baseMs: TRUE_BASE, offsetMs: 0 };

interface Setup {
  readonly store: Store;
  readonly journal: Journal;
  /** A reading for each monotonic time. */
  append(monos: readonly number[], clock: ClockState, line: ClockLine, ownTimeMs?: number): Promise<unknown>;
  take(): Promise<Taken | null>;
}

const setup = async (path = join(temporaryFolder(), "j.db"), boot = "boot-1"): Promise<Setup> => {
  const store = await openTestStore(path, { migrations: [journalMigrations] });
  onTestFinished(() => store.close().catch(() => undefined));
  const policy = { bytesMax: 1e9, whenFull: "reject" } as const;
  const journal = await openJournal(store, { id: boot }, `stream of ${boot}`, policy);
  return {
    store,
    journal,
    append: (monos, clock, line, ownTimeMs) =>
      journal.append({
        driver: "d",
        clock,
        line,
        readings: monos.map((monoMs) => ({
          name: "n",
          value: monoMs,
          monoMs,
          ...(ownTimeMs === undefined
            ? { timeMs: line.baseMs + monoMs }
            : { timeMs: ownTimeMs, ownTime: true }),
        })),
      }),
    take: async () => {
      const limits = { readingsMax: 1000, bytesMax: 1e9, sizeOf: () => 1 };
      const taken = await takeAny(store, limits);
      if (taken !== null) journal.taken(taken);
      return taken;
    },
  };
};

const timesOf = (taken: Taken | null): unknown[] => taken?.readings.map(({ timeMs }) => timeMs) ?? [];
const epochs = ({ store }: Setup): number =>
  store.read((database) => Number(database.prepare("SELECT count(*) AS n FROM journal_epoch").get()?.["n"]));

describe("readings from before the clock was known", () => {
  it("get their times when it becomes known, and the raw ones stay", async () => {
    const { append, journal, take } = await setup();
    await append([1000, 2000], "unset", RAW);
    await journal.clockKnown("ntp", RIGHT);
    const taken = await take();
    expect(taken).toMatchObject({ clock: "ntp", offsetMs: TRUE_BASE });
    expect(timesOf(taken)).toEqual([TRUE_BASE + 1000, TRUE_BASE + 2000]);
  });

  it("get them by the next readings too, if the journal was busy at that moment", async () => {
    const { append, take } = await setup();
    await append([1000], "unset", RAW);
    await append([5000], "gps", { baseMs: 0, offsetMs: TRUE_BASE });
    expect(timesOf(await take())).toEqual([TRUE_BASE + 1000]);
    expect(await take()).toMatchObject({ clock: "gps", offsetMs: TRUE_BASE });
  });

  it("stay as they are while the clock is only known to be unknown", async () => {
    const { append, journal, take } = await setup();
    await append([1000], "unset", RAW);
    await journal.clockKnown("unset", { baseMs: 7, offsetMs: 8 });
    expect(await take()).toMatchObject({ clock: "unset", offsetMs: 0, readings: [{ timeMs: 1000 }] });
  });

  it("get them in the same boot after a restart of the agent, not in another boot", async () => {
    const path = join(temporaryFolder(), "j.db");
    const first = await setup(path);
    await first.append([1000], "unset", RAW);
    await first.store.close();
    const second = await setup(path, "boot-2");
    await second.append([500], "unset", RAW);
    await second.store.close();
    const third = await setup(path, "boot-2");
    await third.journal.clockKnown("ntp", RIGHT);
    expect(await third.take()).toMatchObject({ clock: "unset", readings: [{ timeMs: 1000 }] });
    expect(await third.take()).toMatchObject({ clock: "ntp", readings: [{ timeMs: TRUE_BASE + 500 }] });
  });

  it("keep the time that their source stamped, and go apart from the others", async () => {
    const { append, journal, take } = await setup();
    await append([1000], "unset", RAW);
    await append([1001], "unset", RAW, 1_700_000_000_000);
    await journal.clockKnown("ntp", RIGHT);
    expect(await take()).toMatchObject({ clock: "ntp", offsetMs: TRUE_BASE });
    expect(await take()).toMatchObject({
      clock: "unset",
      offsetMs: 0,
      readings: [{ timeMs: 1_700_000_000_000 }],
    });
  });

  it("are repaired each by the clock that they were taken with", async () => {
    const { append, journal, take } = await setup();
    await append([1000], "unset", RAW);
    await append([2000], "unset", { baseMs: 50, offsetMs: 0 });
    await journal.clockKnown("ntp", RIGHT);
    expect(await take()).toMatchObject({ offsetMs: TRUE_BASE, readings: [{ timeMs: TRUE_BASE + 1000 }] });
    expect(await take()).toMatchObject({
      offsetMs: TRUE_BASE - 50,
      readings: [{ timeMs: TRUE_BASE + 2000 }],
    });
  });
});

describe("epochs of the clock", () => {
  it("never share an event, though as much is known of the clock", async () => {
    const { append, take } = await setup();
    await append([1], "ntp", RIGHT);
    await append([2], "ntp", { ...RIGHT, baseMs: TRUE_BASE - 2500 });
    expect((await take())?.readings).toHaveLength(1);
    expect((await take())?.readings).toHaveLength(1);
  });

  it("leave no rows behind once their readings have left", async () => {
    const here = await setup();
    for (let at = 0; at < 20; at += 1) await here.append([at], "ntp", { ...RIGHT, baseMs: at * 1000 });
    expect(epochs(here)).toBe(20);
    while ((await here.take()) !== null);
    await here.append([99], "ntp", RIGHT);
    expect(epochs(here)).toBeLessThanOrEqual(2);
  });

  it("are made for what an earlier version left in the journal", async () => {
    const path = join(temporaryFolder(), "j.db");
    const before = { ...journalMigrations, steps: journalMigrations.steps.slice(0, 2) };
    const old = await openTestStore(path, { migrations: [before] });
    await old.transaction((database) => {
      const { run } = { run: (sql: string): unknown => database.prepare(sql).run() };
      run("INSERT INTO journal_stream VALUES (1, 's', 'boot-0', 1, 0)");
      const data = old.vault.seal("journal/chunk", new TextEncoder().encode('[["n",5,5,1]]'));
      for (const [seq, clock] of ["unset", "ntp", "unset"].entries())
        database
          .prepare("INSERT INTO journal_chunk (stream, first_seq, count, clock, data) VALUES (1, ?, 1, ?, ?)")
          .run(seq, clock, data);
    });
    await old.close();
    const { journal, take } = await setup(path);
    await journal.clockKnown("ntp", RIGHT);
    expect((await take())?.clock).toBe("unset");
    expect((await take())?.clock).toBe("ntp");
    expect(await take()).toMatchObject({ clock: "unset", offsetMs: 0, readings: [{ timeMs: 5 }] });
  });
});
