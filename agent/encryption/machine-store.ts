// The machine's store in SQLite, for one transaction of the agent's store: what the machine writes is committed with what the caller writes, or not at all.
import type { Database, Row, Vault } from "#agent/store/store.ts";
import type { Change, Entry, MachineStore, Page, Rows, TableName } from "#crypto/machine/store/store.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { fromKey, toKey } from "./names.ts";
import { decodeRow, encodeRow } from "./rows.ts";

const GET = "SELECT value FROM machine_row WHERE kind = ? AND grp = ? AND item = ?";
const LIST = "SELECT item, value FROM machine_row WHERE kind = ? AND grp = ?";
const PAGE = `${LIST} AND item > ? ORDER BY item LIMIT ?`;
const FIRST = `${LIST} ORDER BY item LIMIT ?`;
const PUT = "INSERT OR REPLACE INTO machine_row (kind, grp, item, value) VALUES (?, ?, ?, ?)";
const DELETE = "DELETE FROM machine_row WHERE kind = ? AND grp = ? AND item = ?";

const bytesOf = (row: Row): Uint8Array => {
  const value = row["value"];
  if (!(value instanceof Uint8Array)) throw new Error("encryption store: a row holds no value");
  return value;
};

const listed = (database: Database, table: TableName, group: string, page: Page | undefined): Row[] => {
  const key = [table, toKey(group)];
  if (page === undefined) return database.prepare(LIST).all(...key);
  const after = page.after === null ? null : toKey(page.after);
  return after === null
    ? database.prepare(FIRST).all(...key, page.limit)
    : database.prepare(PAGE).all(...key, after, page.limit);
};

/** Valid as long as `database` is. Reads only where `database` is one of `store.read`. */
export const createMachineStore = (
  database: Database,
  vault: Vault,
  provider: CryptoProvider,
): MachineStore => {
  const open = <T extends TableName>(table: T, group: string, item: string, row: Row): Rows[T] =>
    // What lies under a table's name was written as that table's row, and is authenticated where it matters.
    decodeRow(provider, vault, { table, group, item }, bytesOf(row)) as Rows[T];
  const writing = ({ table, group, item, row }: Change): (() => void) => {
    const key = [table, toKey(group), toKey(item)];
    if (row === null) return () => void database.prepare(DELETE).run(...key);
    const value = encodeRow(vault, { table, group, item }, row);
    return () => void database.prepare(PUT).run(...key, value);
  };
  return {
    get: (table, group, item) => {
      const row = database.prepare(GET).get(table, toKey(group), toKey(item));
      return row === null ? null : open(table, group, item, row);
    },
    list: <T extends TableName>(table: T, group: string, page?: Page): readonly Entry<T>[] =>
      listed(database, table, group, page)
        .map((row) => {
          const item = fromKey(String(row["item"]));
          return { item, row: open(table, group, item, row) };
        })
        .sort((a, b) => (a.item < b.item ? -1 : 1)),
    write: (changes) => {
      // All of them are made ready before any is written: one that cannot be written throws here.
      for (const write of changes.map(writing)) write();
    },
  };
};
