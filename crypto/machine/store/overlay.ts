// A store over another one: what is written into it stays in it, and it knows which rows of the other one that rests on. So work on many messages can be done
// over several turns of the loop, on copies, and be stored in one transaction, if nobody changed what it rests on meanwhile.
import type { Change, MachineStore, Page, TableName } from "./store.ts";
import { beginWork } from "./work.ts";

export interface Overlay {
  readonly store: MachineStore;
  /** All that was written, each row once. */
  changes(): readonly Change[];
  /** Whether it rests on a row that one of these changes. */
  restsOn(changes: readonly Change[]): boolean;
}

/** `under`: the other store as it is valid at the moment. Each row of it is read once. */
export function createOverlay(under: () => MachineStore): Overlay {
  const read = new Set<string>();
  const listed = new Set<string>();
  const groupOf = (table: TableName, group: string): string => JSON.stringify([table, group]);
  const nameOf = (table: TableName, group: string, item: string): string =>
    JSON.stringify([table, group, item]);
  const work = beginWork({
    get: (table, group, item) => {
      read.add(nameOf(table, group, item));
      return under().get(table, group, item);
    },
    list: (table, group, page?: Page) => {
      listed.add(groupOf(table, group));
      return under().list(table, group, page);
    },
    write: () => undefined,
  });
  const put = (change: Change): void => {
    read.add(nameOf(change.table, change.group, change.item));
    if (change.row === null) work.delete(change.table, change.group, change.item);
    // A change pairs a table with its rows.
    else work.put(change.table, change.group, change.item, change.row as never);
  };
  return {
    store: { get: work.get, list: work.list, write: (changes) => changes.forEach(put) },
    changes: () => work.changes(),
    restsOn: (changes) =>
      changes.some(
        ({ group, item, table }) => listed.has(groupOf(table, group)) || read.has(nameOf(table, group, item)),
      ),
  };
}
