// Bytes by day and interface, with a table of interfaces of the test's own.
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ByteBudget } from "#agent/delivery/byte-budget.ts";
import type { BytesConfig } from "#agent/delivery/bytes-schema.ts";
import { bytesLines, bytesText } from "#agent/delivery/bytes-text.ts";
import { type InterfaceTable, interfaceOf, matchesAny, realNetwork } from "#agent/delivery/network.ts";
import { deliveryMigrations } from "#agent/delivery/tables.ts";
import type { Store } from "#agent/store/store.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import { recordingLog } from "../whole-agent.ts";

const DAY_MS = 86_400_000;

const TABLE: InterfaceTable = {
  wwan0: [{ address: "10.0.0.2" }],
  wlan0: [{ address: "192.168.1.7" }, { address: "fe80::1" }],
};

interface Scene {
  readonly store: Store;
  readonly now: { monoMs: number; wallMs: number | null };
  route: string | null;
  readonly rerouted: () => number;
  budget(config?: Partial<BytesConfig>): ByteBudget;
}

const scene = async (): Promise<Scene> => {
  const store = await openTestStore(join(temporaryFolder(), "b.db"), { migrations: [deliveryMigrations] });
  onTestFinished(() => store.close().catch(() => undefined));
  let changes = 0;
  const made: Scene = {
    store,
    now: { monoMs: 0, wallMs: 20_000 * DAY_MS + 1000 },
    route: null,
    rerouted: () => changes,
    budget: (config = {}) =>
      new ByteBudget({
        store,
        log: recordingLog([]),
        config: { metered: ["wwan*"], bulk: "spend", ...config },
        network: { table: () => TABLE, routeTo: () => Promise.resolve(made.route) },
        monoMs: () => made.now.monoMs,
        wallMs: () => made.now.wallMs,
        rerouted: () => (changes += 1),
      }),
  };
  return made;
};

const spend = (budget: ByteBudget, bytes: number, localAddress = "10.0.0.2"): void =>
  budget.count({
    bytes,
    localAddress,
    remoteAddress: "203.0.113.1",
    remotePort: 443,
    isNew: false,
    secure: true,
  });

const today = (budget: ByteBudget): Record<string, number> => Object.fromEntries(budget.view().today);

describe("the budget of bytes", () => {
  it("counts by interface, with what the link adds", async () => {
    const budget = (await scene()).budget();
    spend(budget, 1000);
    spend(budget, 500, "::ffff:192.168.1.7");
    spend(budget, 100, "172.16.0.1");
    budget.count({
      bytes: 0,
      localAddress: "10.0.0.2",
      remoteAddress: null,
      remotePort: null,
      isNew: true,
      secure: true,
    });
    expect(today(budget)).toEqual({ wwan0: 1100 + 6000, wlan0: 550, unknown: 110 });
  });

  it("makes readings and the status wait when the day of a metered interface is spent, alarms and replies never", async () => {
    const { budget: make } = await scene();
    const budget = make({ per_day: 2000 });
    spend(budget, 900);
    expect(budget.delayMs("bulk")).toBe(0);
    expect(budget.view()).toMatchObject({ route: "wwan0", metered: true, left: 1010, waits: null });
    spend(budget, 1000);
    expect((["alarm", "reply", "state", "bulk"] as const).map((lane) => budget.delayMs(lane) > 0)).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(budget.view()).toMatchObject({ left: 0, waits: "tomorrow" });
  });

  it("makes readings alone wait for an interface that is not metered, where that is asked for", async () => {
    const at = await scene();
    const budget = at.budget({ bulk: "wait" });
    spend(budget, 10);
    expect(budget.delayMs("bulk")).toBeGreaterThan(0);
    expect(budget.delayMs("state")).toBe(0);
    at.route = "192.168.1.7";
    at.now.monoMs = 60_000;
    budget.delayMs("bulk");
    await Promise.resolve();
    expect(at.rerouted()).toBe(1);
    expect(budget.delayMs("bulk")).toBe(0);
    expect(budget.view()).toMatchObject({ route: "wlan0", metered: false, waits: null });
  });

  it("stays where it was while the kernel knows no route", async () => {
    const at = await scene();
    const budget = at.budget({ bulk: "wait" });
    spend(budget, 10);
    at.now.monoMs = 60_000;
    budget.delayMs("bulk");
    await Promise.resolve();
    expect(budget.view().route).toBe("wwan0");
  });

  it("begins a new day at 00:00 UTC, and finds the old one again when the clock goes back", async () => {
    const at = await scene();
    const budget = at.budget({ per_day: 1000 });
    spend(budget, 2000);
    await budget.stop();
    at.now.wallMs = 20_001 * DAY_MS;
    expect(budget.delayMs("bulk")).toBe(0);
    expect(today(budget)).toEqual({});
    spend(budget, 100);
    at.now.wallMs = 20_001 * DAY_MS - 1;
    expect(today(budget)).toEqual({ wwan0: 2200 });
  });

  it("goes on with the last day while the clock is unset, and moves what was counted to the day that it was", async () => {
    const at = await scene();
    const before = at.budget({ per_day: 3000 });
    spend(before, 2000);
    await before.stop();
    at.now.wallMs = null;
    const after = at.budget({ per_day: 3000 });
    expect(today(after)).toEqual({ wwan0: 2200 });
    spend(after, 1000);
    expect(after.view().waits).toBe("tomorrow");
    at.now.wallMs = 20_005 * DAY_MS;
    expect(today(after)).toEqual({ wwan0: 1100 });
    expect(after.view().waits).toBeNull();
  });

  it("survives a clean end exactly, and a kill by a reserve too much", async () => {
    const at = await scene();
    const first = at.budget({ per_day: 640_000 });
    spend(first, 1000);
    await at.store.transaction(() => undefined);
    await at.store.transaction(() => undefined);
    // Killed: nobody called `stop`.
    expect(today(at.budget({ per_day: 640_000 }))).toEqual({ wwan0: 1100 + 10_000 });
    await first.stop();
    expect(today(at.budget({ per_day: 640_000 }))).toEqual({ wwan0: 1100 });
  });

  it("writes once for many events", async () => {
    const at = await scene();
    const budget = at.budget({ per_day: 64_000_000 });
    const writes = new Set<unknown>();
    for (let event = 0; event < 1000; event += 1) {
      spend(budget, 1000);
      await at.store.transaction((database) =>
        writes.add(database.prepare("SELECT bytes FROM network_day").get()?.["bytes"]),
      );
    }
    expect(writes.size).toBeLessThan(10);
  });
});

describe("interfaces", () => {
  it("are found by their addresses and matched by names", () => {
    expect(interfaceOf(TABLE, "fe80::1%wlan0")).toBe("wlan0");
    expect(interfaceOf({}, "10.0.0.2")).toBe("unknown");
    expect(["wwan0", "ppp0", "awwan"].map((name) => matchesAny(name, ["wwan*", "ppp0"]))).toEqual([
      true,
      true,
      false,
    ]);
    expect(matchesAny("wxan0", ["w.an0"])).toBe(false);
  });

  it("are those of this machine where nobody says otherwise", async () => {
    const local = await realNetwork.routeTo("127.0.0.1", 9);
    expect(local).toBe("127.0.0.1");
    expect(interfaceOf(realNetwork.table(), local ?? "")).toBe("lo");
  });
});

it("is told in words", () => {
  expect([999, 1000, 1_234_567].map(bytesText)).toEqual(["999 B", "1.0 kB", "1.2 MB"]);
  const view = { route: "wwan0", metered: true, total: new Map(), left: 0, waits: "tomorrow" as const };
  expect(bytesLines({ ...view, today: new Map([["wwan0", 2_000_000]]) })).toEqual([
    "network today: 2.0 MB over wwan0; wwan0 is metered, 0 B left; the day's bytes are spent: readings and the status wait until 00:00 UTC",
  ]);
  expect(bytesLines({ ...view, today: new Map() })).toEqual([]);
});
