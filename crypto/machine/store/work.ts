// One call's view of the store: reads see the call's own writes, and nothing reaches the store before the call is over.
// A call that throws leaves the store as it was. As nobody else writes meanwhile, each row is read once: opening a sealed one is dear.
import type { Change, Entry, MachineStore, Page, Rows, TableName } from "./store.ts";

export interface Work {
  get<T extends TableName>(table: T, group: string, item: string): Rows[T] | null;
  list<T extends TableName>(table: T, group: string, page?: Page): readonly Entry<T>[];
  put<T extends TableName>(table: T, group: string, item: string, row: Rows[T]): void;
  delete(table: TableName, group: string, item: string): void;
  /** Each changed row once, with its last value. */
  changes(): readonly Change[];
}

type Written = Map<string, Change>;

/** The store's rows, each group and each item read once. */
function readOnce(store: MachineStore): Pick<MachineStore, "get" | "list"> {
  const rows = new Map<string, Map<string, unknown>>();
  const lists = new Map<string, readonly unknown[]>();
  return {
    get: <T extends TableName>(table: T, group: string, item: string): Rows[T] | null => {
      const name = `${table} ${group}`;
      const known = rows.get(name) ?? new Map<string, unknown>();
      if (known.size === 0) rows.set(name, known);
      // What lies under a table's name is what the store gave for it, or null: never undefined.
      const row = known.get(item) as Rows[T] | null | undefined;
      if (row !== undefined) return row;
      const read = store.get(table, group, item);
      known.set(item, read);
      return read;
    },
    list: <T extends TableName>(table: T, group: string, page?: Page): readonly Entry<T>[] => {
      if (page !== undefined) return store.list(table, group, page);
      const name = `${table} ${group}`;
      // As above.
      const list = (lists.get(name) as readonly Entry<T>[] | undefined) ?? store.list(table, group);
      lists.set(name, list);
      return list;
    },
  };
}

export function beginWork(stored: MachineStore): Work {
  const store = readOnce(stored);
  const groups = new Map<string, Written>();
  const written = (table: TableName, group: string): Written | undefined => groups.get(`${table} ${group}`);
  const set = (change: Change): void => {
    const items = written(change.table, change.group) ?? new Map<string, Change>();
    items.set(change.item, change);
    groups.set(`${change.table} ${change.group}`, items);
  };
  return {
    get: <T extends TableName>(table: T, group: string, item: string): Rows[T] | null => {
      const change = written(table, group)?.get(item);
      // `put` pairs a table with its rows.
      return change === undefined ? store.get(table, group, item) : (change.row as Rows[T] | null);
    },
    list: <T extends TableName>(table: T, group: string, page?: Page): readonly Entry<T>[] => {
      const changed = written(table, group);
      if (changed === undefined) return store.list(table, group, page);
      return pageOf(merge(store.list(table, group), changed), page);
    },
    // As above: the pair is right by the method's own type, which a union of pairs cannot express.
    put: (table, group, item, row) => set({ table, group, item, row } as Change),
    // As above: null is a value of every table, and the union has too many members for the compiler to see it.
    delete: (table, group, item) => set({ table, group, item, row: null } as Change),
    changes: () => [...groups.values()].flatMap((items) => [...items.values()]),
  };
}

/** The page of rows that are in order. */
export function pageOf<T extends TableName>(
  rows: readonly Entry<T>[],
  page: Page | undefined,
): readonly Entry<T>[] {
  if (page === undefined) return rows;
  const { after, limit } = page;
  return rows.filter(({ item }) => after === null || item > after).slice(0, limit);
}

function merge<T extends TableName>(stored: readonly Entry<T>[], changed: Written): readonly Entry<T>[] {
  const kept = stored.filter(({ item }) => !changed.has(item));
  const added = [...changed.values()].flatMap(({ item, row }) =>
    // The changes of this group are of table T.
    row === null ? [] : [{ item, row: row as Rows[T] }],
  );
  return [...kept, ...added].sort((a, b) => (a.item < b.item ? -1 : 1));
}
