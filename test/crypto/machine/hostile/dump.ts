// A store in memory whose rows can be looked at as a whole, so that a test can say "nothing changed", or which rows alone did.
import { createMemoryStore } from "#crypto/machine/store/memory.ts";
import type { Change, MachineStore } from "#crypto/machine/store/store.ts";
import type { Ours } from "../support/world.ts";

/** By table, group and item as a JSON list. Rows are immutable, so a row that is the same value is the same row. */
export type Dump = ReadonlyMap<string, unknown>;

export interface DumpStore extends MachineStore {
  dump(): Dump;
}

const nameOf = ({ table, group, item }: Change): string => JSON.stringify([table, group, item]);

export const createDumpStore = (): DumpStore => {
  const store = createMemoryStore();
  const rows = new Map<string, unknown>();
  return {
    ...store,
    write: (changes) => {
      store.write(changes);
      for (const change of changes) {
        if (change.row === null) rows.delete(nameOf(change));
        else rows.set(nameOf(change), change.row);
      }
    },
    dump: () => new Map(rows),
  };
};

/** The names of the rows that differ. */
export const changed = (before: Dump, after: Dump): string[] =>
  [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .sort();

/** The tables of these rows. */
export const tablesOf = (names: readonly string[]): string[] =>
  [...new Set(names.map((name) => String((JSON.parse(name) as unknown[])[0])))].sort();

/** What `work` changed of a machine that was made with such a store. */
export const changedBy = ({ store }: Ours, work: () => void): string[] => {
  // Each machine of these tests has one (machines.ts).
  const { dump } = store as DumpStore;
  const before = dump();
  work();
  return changed(before, dump());
};
