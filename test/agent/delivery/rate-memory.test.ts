// The learned rate of events survives a restart, and is written rarely.
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { Budget } from "#agent/delivery/budget.ts";
import { RateMemory } from "#agent/delivery/rate-memory.ts";
import { deliveryMigrations } from "#agent/delivery/tables.ts";
import type { Store } from "#agent/store/store.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";

const openStore = async (): Promise<Store> => {
  const store = await openTestStore(join(temporaryFolder(), "r.db"), { migrations: [deliveryMigrations] });
  onTestFinished(() => store.close().catch(() => undefined));
  return store;
};

const stored = (store: Store): unknown =>
  store.read((database) =>
    database
      .prepare("SELECT rate FROM outbox_rate")
      .all()
      .map(({ rate }) => rate),
  );

it("is known to the next process, which does not begin with a burst", async () => {
  const store = await openStore();
  const before = new Budget();
  const memory = new RateMemory(store, before, 0);
  before.limited(0, 5000);
  await memory.keep();
  const after = new Budget();
  expect(new RateMemory(store, after, 1000)).toBeDefined();
  expect(after.rate()).toBe(0.2);
  expect(after.delayMs("alarm", 1000)).toBe(0);
  after.spend("alarm", 1000);
  expect(after.delayMs("alarm", 1000)).toBe(5000);
});

it("is written when it has changed by a quarter, not with every event", async () => {
  const store = await openStore();
  const budget = new Budget();
  const memory = new RateMemory(store, budget, 0);
  await memory.keep();
  expect(stored(store)).toEqual([]);
  budget.limited(0, 5000);
  await memory.keep();
  await store.transaction((database) => database.prepare("DELETE FROM outbox_rate").run());
  for (let event = 0; event < 20; event += 1) {
    budget.spend("bulk", event * 5000);
    budget.accepted();
    await memory.keep();
  }
  expect(stored(store)).toEqual([]);
});

it("is forgotten with the limit", async () => {
  const store = await openStore();
  const budget = new Budget();
  const memory = new RateMemory(store, budget, 0);
  budget.limited(0, 1000);
  await memory.keep();
  expect(stored(store)).toEqual([1]);
  for (let hour = 1; budget.rate() !== null; hour += 1) budget.delayMs("bulk", hour * 3_600_000);
  await memory.keep();
  expect(stored(store)).toEqual([]);
});
