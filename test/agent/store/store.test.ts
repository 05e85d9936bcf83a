import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY } from "#agent/store/policy.ts";
import { idsOf, insert, openTestStore, temporaryFolder } from "./support.ts";

const fresh = (): string => join(temporaryFolder(), "petrel.db");

describe("transaction", () => {
  it("gives back what the callback returns", async () => {
    const store = await openTestStore(fresh());
    const row = await store.transaction((database) => database.prepare("SELECT 1 + 1 AS two").get());
    expect(row).toEqual({ two: 2 });
  });

  it("keeps its rows through a close", async () => {
    const path = fresh();
    const store = await openTestStore(path);
    await insert(store, 1);
    await store.close();
    expect(idsOf(await openTestStore(path))).toEqual([1]);
  });

  it("rolls back what a throwing callback wrote, and nothing of its neighbours", async () => {
    const store = await openTestStore(fresh());
    const outcomes = await Promise.allSettled([
      store.transaction((database) => {
        database.prepare("INSERT INTO rows VALUES (1, 'first')").run();
        throw new Error("changed my mind");
      }),
      insert(store, 2),
      store.transaction((database) => {
        database.prepare("INSERT INTO rows VALUES (3, 'third')").run();
        throw new Error("mine too");
      }),
      insert(store, 4),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "rejected", "fulfilled"]);
    expect(idsOf(store)).toEqual([2, 4]);
  });

  it("rejects with a constraint's own error and goes on", async () => {
    const store = await openTestStore(fresh());
    await insert(store, 1);
    await expect(insert(store, 1)).rejects.toThrow(/UNIQUE/);
    await insert(store, 2);
    expect(store.failed.aborted).toBe(false);
  });
});

describe("restarts of the WAL", () => {
  it("keep all rows, many times under load", async () => {
    const path = fresh();
    const policy = { ...DEFAULT_POLICY, forcedBytes: 128 * 1024 };
    const store = await openTestStore(path, { policy });
    const restarts = (): number =>
      store.read((database) => Number(database.prepare("SELECT count FROM store_restarts").get()?.["count"]));
    const before = restarts();
    let next = 0;
    const producer = async (): Promise<void> => {
      while (restarts() < before + 5) {
        next += 1;
        await insert(store, next);
        await store.durable();
      }
    };
    await Promise.all(Array.from({ length: 16 }, producer));
    await store.close();
    const again = await openTestStore(path);
    expect(idsOf(again)).toEqual(Array.from({ length: next }, (_, index) => index + 1));
  });
});
