// The two verbs: what a transaction keeps, what durable waits for, what waits while the WAL is restarted.
import { existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { QUEUE_MAX } from "#agent/store/limits.ts";
import { DEFAULT_POLICY } from "#agent/store/policy.ts";
import { type Statement, type Store, StoreError } from "#agent/store/store.ts";
import { idsOf, insert, openTestStore, temporaryFolder } from "./support.ts";

const fresh = (): string => join(temporaryFolder(), "petrel.db");

const SMALL_WAL = { ...DEFAULT_POLICY, forcedBytes: 128 * 1024 };

const restartsOf = (store: Store): number =>
  store.read((database) => Number(database.prepare("SELECT count FROM store_restarts").get()?.["count"]));

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
    const spoiled = (id: number): Promise<never> =>
      store.transaction((database) => {
        database.prepare("INSERT INTO rows VALUES (?, 'spoiled')").run(id);
        throw new Error(`changed my mind about ${id}`);
      });
    const outcomes = await Promise.allSettled([spoiled(1), insert(store, 2), spoiled(3), insert(store, 4)]);
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

  it("refuses a callback that ends the transaction itself, and keeps nothing of its batch", async () => {
    const store = await openTestStore(fresh());
    const outcomes = await Promise.allSettled([
      insert(store, 1),
      store.transaction((database) => database.exec("ROLLBACK")),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await insert(store, 2);
    expect(idsOf(store)).toEqual([2]);
  });

  it("runs in the order in which it was asked for, also from within another one", async () => {
    const store = await openTestStore(fresh());
    const order: string[] = [];
    const inner: Promise<unknown>[] = [];
    await store.transaction(() => {
      inner.push(store.transaction(() => order.push("inner")));
      order.push("outer");
    });
    await Promise.all(inner);
    expect(order).toEqual(["outer", "inner"]);
  });

  it("gives the loop its turn even if callers never wait for anything else", async () => {
    const store = await openTestStore(fresh());
    let turned = false;
    setImmediate(() => (turned = true));
    let count = 0;
    for (; !turned && count < 100_000; count += 1) await insert(store, count);
    expect(turned).toBe(true);
    expect(count).toBeLessThan(2_000);
  });

  it("refuses a statement that is used after its callback", async () => {
    const store = await openTestStore(fresh());
    const kept: Statement[] = [];
    await store.transaction((database) => kept.push(database.prepare("DELETE FROM rows")));
    expect(() => kept[0]?.run()).toThrow(TypeError);
  });

  it("refuses to wait behind more than the queue may hold", async () => {
    const store = await openTestStore(fresh());
    const outcomes = await Promise.allSettled(
      Array.from({ length: QUEUE_MAX + 1 }, (_, id) => insert(store, id)),
    );
    expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(1);
    expect(outcomes.at(-1)).toMatchObject({ reason: { code: "BUSY" } });
    expect(idsOf(store)).toHaveLength(QUEUE_MAX);
  });
});

describe("read", () => {
  it("refuses to write, whatever the statement is dressed as", async () => {
    const store = await openTestStore(fresh());
    const attempts = [
      "INSERT INTO rows VALUES (1, 'x') RETURNING id",
      "DELETE FROM rows",
      "WITH one AS (SELECT 1 AS id) INSERT INTO rows SELECT id, 'x' FROM one RETURNING id",
    ];
    for (const sql of attempts)
      expect(() => store.read((database) => database.prepare(sql).all())).toThrow(TypeError);
    expect(() => store.read((database) => database.exec("DELETE FROM rows"))).toThrow(TypeError);
  });

  it("ends an iterator that its callback left half way, so that the WAL can be restarted", async () => {
    const store = await openTestStore(fresh(), { policy: SMALL_WAL });
    for (let id = 0; id < 10; id += 1) await insert(store, id);
    const first = store.read((database) => {
      for (const row of database.prepare("SELECT id FROM rows ORDER BY id").iterate()) return row;
      return null;
    });
    expect(first).toEqual({ id: 0 });
    const before = restartsOf(store);
    for (let id = 10; restartsOf(store) === before; id += 1) {
      await insert(store, id);
      await store.durable();
    }
  });

  it("is refused inside a transaction, where it would see rows that may yet be rolled back", async () => {
    const store = await openTestStore(fresh());
    await expect(store.transaction(() => idsOf(store))).rejects.toThrow(TypeError);
  });
});

describe("durable", () => {
  it("resolves at once when nothing was committed since", async () => {
    const store = await openTestStore(fresh());
    await store.durable();
    await store.durable();
  });

  it("waits for a sync that began after the commit: one that came during a sync waits for the next", async () => {
    const store = await openTestStore(fresh());
    const order: string[] = [];
    await insert(store, 1);
    const first = store.durable().then(() => order.push("first"));
    await insert(store, 2);
    const second = store.durable().then(() => order.push("second"));
    await insert(store, 3);
    const third = store.durable().then(() => order.push("third"));
    await first;
    // The commits 2 and 3 came after the first sync began: they are not durable yet, and share the next one.
    expect(order).toEqual(["first"]);
    await Promise.all([second, third]);
    expect(order).toEqual(["first", "second", "third"]);
  });
});

describe("restarts of the WAL", () => {
  it("keep all rows, many times under load", async () => {
    const path = fresh();
    const store = await openTestStore(path, { policy: SMALL_WAL });
    const before = restartsOf(store);
    let next = 0;
    const producer = async (): Promise<void> => {
      while (restartsOf(store) < before + 8) {
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

  it("happen when nothing is to do, without being forced", async () => {
    const policy = { ...DEFAULT_POLICY, idleBytes: 64 * 1024, idleMs: 20 };
    const store = await openTestStore(fresh(), { policy });
    const before = restartsOf(store);
    for (let id = 0; id < 40; id += 1) await insert(store, id, "x".repeat(4_000));
    await store.durable();
    await expect.poll(() => restartsOf(store), { timeout: 10_000 }).toBe(before + 1);
  });

  it("let transactions wait, not fail, and reads go on", async () => {
    const store = await openTestStore(fresh(), { policy: SMALL_WAL });
    const before = restartsOf(store);
    for (let id = 0; restartsOf(store) < before + 3; id += 1) {
      await insert(store, id, "x".repeat(2_000));
      expect(idsOf(store).length).toBe(id + 1);
      if (id % 10 === 0) await store.durable();
    }
    expect(store.failed.aborted).toBe(false);
  });

  it("keep the log's file: it is written over, not made anew", async () => {
    const path = fresh();
    const store = await openTestStore(path, { policy: SMALL_WAL });
    const { ino } = statSync(`${path}-wal`);
    const before = restartsOf(store);
    for (let id = 0; restartsOf(store) < before + 2; id += 1) {
      await insert(store, id);
      await store.durable();
    }
    expect(statSync(`${path}-wal`).ino).toBe(ino);
  });

  it("give pages that were freed back to the file system", async () => {
    const path = fresh();
    const store = await openTestStore(path, { policy: { ...SMALL_WAL, idleBytes: 1, idleMs: 10 } });
    await store.transaction((database) => {
      for (let id = 0; id < 4_000; id += 1)
        database.prepare("INSERT INTO rows VALUES (?, ?)").run(id, "x".repeat(4_000));
    });
    await store.durable();
    await expect.poll(() => statSync(path).size, { timeout: 10_000 }).toBeGreaterThan(8_000_000);
    await store.transaction((database) => database.exec("DELETE FROM rows"));
    await store.durable();
    await expect.poll(() => statSync(path).size, { timeout: 10_000 }).toBeLessThan(8_000_000);
  });
});

describe("close", () => {
  it("runs what waits, refuses what comes, leaves one file", async () => {
    const path = fresh();
    const store = await openTestStore(path);
    const waiting = insert(store, 1);
    const closed = store.close();
    await expect(insert(store, 2)).rejects.toMatchObject({ code: "CLOSED" });
    await waiting;
    await closed;
    expect(() => idsOf(store)).toThrow(StoreError);
    expect(existsSync(`${path}-wal`)).toBe(false);
    expect(idsOf(await openTestStore(path))).toEqual([1]);
  });

  it("may be asked for twice", async () => {
    const store = await openTestStore(fresh());
    await Promise.all([store.close(), store.close()]);
  });
});

describe("a WAL that was deleted", () => {
  it("is noticed by the next sync, which ends the store", async () => {
    const path = fresh();
    const store = await openTestStore(path);
    await insert(store, 1);
    rmSync(`${path}-wal`);
    await expect(store.durable()).rejects.toThrow(/deleted/);
    expect(store.failed.aborted).toBe(true);
    await expect(insert(store, 2)).rejects.toMatchObject({ code: "SYNC" });
    await expect(store.durable()).rejects.toMatchObject({ code: "SYNC" });
    expect(() => idsOf(store)).toThrow(/deleted/);
  });
});
