// The machine's store in memory: for tests, and for a device that is new at each start. Maps throughout, so that no name is special.
import type { Change, Entry, MachineStore, Page, Rows, TableName } from "./store.ts";
import { pageOf } from "./work.ts";

type Groups = Map<string, Map<string, unknown>>;

export function createMemoryStore(): MachineStore {
  const tables = new Map<TableName, Groups>();
  return {
    get: <T extends TableName>(table: T, group: string, item: string): Rows[T] | null => {
      const row = tables.get(table)?.get(group)?.get(item);
      // Only `write` fills the maps, and its changes pair a table with its rows.
      return row === undefined ? null : (row as Rows[T]);
    },
    list: <T extends TableName>(table: T, group: string, page?: Page): readonly Entry<T>[] => {
      const items = [...(tables.get(table)?.get(group) ?? [])];
      items.sort(([a], [b]) => (a < b ? -1 : 1));
      // As above.
      return pageOf(
        items.map(([item, row]) => ({ item, row: row as Rows[T] })),
        page,
      );
    },
    write: (changes) => {
      for (const change of changes) writeOne(tables, change);
    },
  };
}

function writeOne(tables: Map<TableName, Groups>, { table, group, item, row }: Change): void {
  const groups: Groups = tables.get(table) ?? new Map();
  const items = groups.get(group) ?? new Map<string, unknown>();
  if (row === null) items.delete(item);
  else items.set(item, row);
  if (items.size > 0) groups.set(group, items);
  else groups.delete(group);
  tables.set(table, groups);
}
