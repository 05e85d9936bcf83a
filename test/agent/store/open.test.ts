// The open sequence: who may open, what is refused, what is set aside and under which name.
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openStore } from "#agent/store/open.ts";
import type { Migrations, Store, StoreError } from "#agent/store/store.ts";
import { optionsFor, ROWS } from "./runtime.ts";
import { idsOf, insert, openTestStore, startChild, temporaryFolder } from "./support.ts";

const fresh = (): string => join(temporaryFolder(), "petrel.db");

/** A store with 500 rows, closed. */
const filled = async (): Promise<string> => {
  const path = fresh();
  const store = await openTestStore(path);
  await store.transaction((database) => {
    const statement = database.prepare("INSERT INTO rows VALUES (?, ?)");
    for (let id = 0; id < 500; id += 1) statement.run(id, "x".repeat(100));
  });
  await store.close();
  return path;
};

const refusalOf = async (path: string, more: Parameters<typeof optionsFor>[1] = {}): Promise<StoreError> => {
  const outcome = await openStore(optionsFor(path, more)).catch((error: unknown) => error);
  expect(outcome).toMatchObject({ name: "StoreError" });
  // Just checked by its name.
  return outcome as StoreError;
};

const pragma = (path: string, name: string): unknown => {
  const database = new DatabaseSync(path, { readOnly: true });
  const value = Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  database.close();
  return value;
};

describe("a new store", () => {
  it("is ours, gives space back, and may be read by its owner only", async () => {
    const path = join(temporaryFolder(), "state", "petrel", "petrel.db");
    await (await openTestStore(path)).close();
    expect(pragma(path, "application_id")).toBe(0x50657472);
    expect(pragma(path, "user_version")).toBe(1);
    expect(pragma(path, "auto_vacuum")).toBe(2);
    expect(pragma(path, "journal_mode")).toBe("wal");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  });

  it("takes no log that lies there without its database", async () => {
    const path = fresh();
    writeFileSync(`${path}-wal`, "left over");
    const refusal = await refusalOf(path);
    expect(refusal.code).toBe("BROKEN");
    expect(refusal.message).toMatch(/only its log.*broken-\d{4}-.*-wal/);
    await openTestStore(path);
  });

  it("begins anew where an earlier start was cut short", async () => {
    const path = fresh();
    writeFileSync(`${path}.new`, "half");
    await openTestStore(path);
    expect(existsSync(`${path}.new`)).toBe(false);
  });
});

describe("a broken file", () => {
  const damages: Record<string, (path: string) => void> = {
    "an empty file": (path) => truncateSync(path, 0),
    "a file cut short": (path) => truncateSync(path, 3 * 4_096 + 100),
    "garbage in its header": (path) => overwrite(path, 0, Buffer.alloc(100, 0x5a)),
    "nothing but zeros": (path) => overwrite(path, 0, Buffer.alloc(statSync(path).size)),
    "flipped bytes in a page": (path) => overwrite(path, 8 * 4_096, Buffer.alloc(16, 0xff)),
    "another program's database": (path) => {
      renameSync(path, `${path}.ours`);
      const other = new DatabaseSync(path);
      other.exec("CREATE TABLE theirs (id INTEGER PRIMARY KEY)");
      other.close();
    },
  };
  const overwrite = (path: string, offset: number, bytes: Uint8Array): void => {
    const whole = readFileSync(path);
    whole.set(bytes, offset);
    writeFileSync(path, whole);
  };

  for (const [damage, inflict] of Object.entries(damages))
    it(`with ${damage} is set aside under a name with the date, named, and kept as it was`, async () => {
      const path = await filled();
      inflict(path);
      const before = readFileSync(path);
      const refusal = await refusalOf(path);
      expect(refusal.code).toBe("BROKEN");
      const aside = readdirSync(dirname(path)).find((name) => name.includes(".broken-"));
      expect(aside).toMatch(/^petrel\.db\.broken-\d{4}-\d\d-\d\dT/);
      expect(refusal.message).toContain(aside);
      expect(readFileSync(join(dirname(path), aside ?? ""))).toEqual(before);
      expect(existsSync(path)).toBe(false);
    });

  it("is not used again: the next start begins with an empty store", async () => {
    const path = await filled();
    truncateSync(path, 0);
    await refusalOf(path);
    expect(idsOf(await openTestStore(path))).toEqual([]);
  });
});

describe("migrations", () => {
  const second: Migrations = {
    module: "rows",
    steps: [...ROWS.steps, "ALTER TABLE rows ADD COLUMN unit TEXT"],
  };
  const other: Migrations = { module: "other", steps: ["CREATE TABLE other (id INTEGER PRIMARY KEY)"] };

  const openWith = (path: string, ...migrations: Migrations[]): Promise<Store> =>
    openTestStore(path, { migrations });

  it("bring old tables forward, each step once, with their rows", async () => {
    const path = fresh();
    const old = await openWith(path, ROWS);
    await insert(old, 1);
    await old.close();
    for (let start = 0; start < 2; start += 1) {
      const store = await openWith(path, second, other);
      const row = store.read((database) => database.prepare("SELECT id, unit FROM rows").get());
      expect(row).toEqual({ id: 1, unit: null });
      await store.close();
    }
  });

  it("are all kept or none: a step that fails leaves the store as it was", async () => {
    const path = fresh();
    await (await openWith(path, ROWS)).close();
    const broken: Migrations = {
      module: "broken",
      steps: ["CREATE TABLE broken (id INTEGER)", "CREATE TABEL"],
    };
    await expect(openStore(optionsFor(path, { migrations: [second, broken] }))).rejects.toThrow(/syntax/);
    const store = await openWith(path, ROWS);
    const tables = store.read((database) =>
      database.prepare("SELECT name FROM sqlite_schema WHERE name = 'broken'").all(),
    );
    expect(tables).toEqual([]);
  });

  it("refuse tables that a newer Petrel wrote, and leave them alone", async () => {
    const path = fresh();
    await (await openWith(path, second)).close();
    const refusal = await refusalOf(path);
    expect(refusal.code).toBe("NEWER");
    expect(refusal.message).toContain("the tables of rows");
    await openWith(path, second);
  });

  it("refuse a store whose own layout is newer", async () => {
    const path = fresh();
    await (await openWith(path)).close();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 2");
    database.close();
    expect(await refusalOf(path)).toMatchObject({ code: "NEWER" });
    expect(existsSync(path)).toBe(true);
  });

  it("refuse the same module twice", async () => {
    await expect(openStore(optionsFor(fresh(), { migrations: [ROWS, ROWS] }))).rejects.toThrow(TypeError);
  });
});

describe("the key", () => {
  it("of another store is refused at the start, and nothing is changed", async () => {
    const path = await filled();
    expect(await refusalOf(path, { key: new Uint8Array(32) })).toMatchObject({ code: "KEY" });
    expect(idsOf(await openTestStore(path))).toHaveLength(500);
  });

  it("of a wrong length is refused before anything is made", async () => {
    const path = fresh();
    expect(await refusalOf(path, { key: new Uint8Array(31) })).toMatchObject({ code: "KEY" });
    expect(readdirSync(dirname(path))).toEqual([]);
  });
});

describe("the lock", () => {
  it("refuses a second opener in the same process", async () => {
    const path = fresh();
    const store = await openTestStore(path);
    expect(await refusalOf(path)).toMatchObject({ code: "LOCKED" });
    await insert(store, 1);
    await store.close();
    await openTestStore(path);
  });

  it("refuses another process, names the holder, and is free again the moment the holder is killed", async () => {
    const path = fresh();
    const child = startChild({ path, scenario: "hold" });
    await child.said(/^open$/);
    const refusal = await refusalOf(path);
    expect(refusal.code).toBe("LOCKED");
    expect(refusal.message).toContain(`pid ${child.process.pid}`);
    child.process.kill("SIGKILL");
    expect(await child.ended).toBe("SIGKILL");
    await openTestStore(path);
  });

  it("still holds after a refused opener in the same process went away", async () => {
    const path = fresh();
    await openTestStore(path);
    await refusalOf(path);
    const child = startChild({ path, scenario: "hold" });
    expect(await child.ended).toBe("4");
    expect(child.lines.join()).toContain("refused LOCKED");
  });
});
