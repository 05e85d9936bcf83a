// What every MachineStore must do, whoever keeps it. A store's own test calls this with a way to make an empty one.
import { beforeEach, describe, expect, it } from "vitest";
import type { Change, MachineStore } from "#crypto/machine/store/store.ts";

const counter = (item: string, next: number, group = ""): Change => ({
  table: "counter",
  group,
  item,
  row: { next },
});
const HOSTILE = [
  "",
  "__proto__",
  "constructor",
  "toString",
  "a b",
  "a\u0000b",
  "ü",
  "\u{1f600}",
  "'; DROP TABLE x; --",
];

/** `open` gives an empty store; `inTransaction` runs a call as the store wants it (memory: just calls it). */
export const describeMachineStore = (
  name: string,
  open: () => MachineStore,
  inTransaction: (work: () => void) => void = (work) => work(),
): void => {
  describe(`a machine store: ${name}`, () => {
    let store: MachineStore;
    beforeEach(() => {
      store = open();
    });
    const write = (...changes: Change[]): void => inTransaction(() => store.write(changes));

    it("gives null for a row that is not there", () => {
      expect(store.get("counter", "", "x")).toBeNull();
      expect(store.list("counter", "")).toEqual([]);
    });

    it("gives back what was written, replaced and deleted, in order", () => {
      write(counter("x", 1), counter("y", 2), counter("x", 3), {
        table: "counter",
        group: "",
        item: "y",
        row: null,
      });
      expect(store.get("counter", "", "x")).toEqual({ next: 3 });
      expect(store.get("counter", "", "y")).toBeNull();
    });

    it("keeps tables, groups and items apart", () => {
      write(counter("b c", 1, "a"), counter("c", 2, "a b"), counter("", 3, "a b c"));
      expect(store.get("counter", "a", "b c")).toEqual({ next: 1 });
      expect(store.get("counter", "a b", "c")).toEqual({ next: 2 });
      expect(store.list("counter", "a b c")).toEqual([{ item: "", row: { next: 3 } }]);
      expect(store.get("request", "a", "b c")).toBeNull();
    });

    it("lists a group by item", () => {
      write(counter("000010", 1), counter("000002", 2), counter("000001", 3));
      expect(store.list("counter", "").map(({ item }) => item)).toEqual(["000001", "000002", "000010"]);
    });

    it("takes any string as a name", () => {
      write(...HOSTILE.flatMap((group) => HOSTILE.map((item) => counter(item, item.length, group))));
      for (const group of HOSTILE) {
        expect(store.list("counter", group)).toHaveLength(HOSTILE.length);
        for (const item of HOSTILE) expect(store.get("counter", group, item)).toEqual({ next: item.length });
      }
      expect(Object.keys(Object.prototype)).toEqual([]);
    });

    it("lists a page of a group: after an item, at most so many", () => {
      write(...["a", "b", "c", "d"].map((item, at) => counter(item, at)));
      const page = (after: string | null, limit: number): string[] =>
        store.list("counter", "", { after, limit }).map(({ item }) => item);
      expect(page(null, 2)).toEqual(["a", "b"]);
      expect(page("b", 5)).toEqual(["c", "d"]);
      expect(page("bb", 1)).toEqual(["c"]);
      expect(page("d", 5)).toEqual([]);
    });

    it("gives every row once over the pages of a group, whatever its name", () => {
      write(...HOSTILE.map((item) => counter(item, 1)));
      const seen: string[] = [];
      for (let after: string | null = null; seen.length <= HOSTILE.length; ) {
        const item: string | undefined = store.list("counter", "", { after, limit: 1 })[0]?.item;
        if (item === undefined) break;
        seen.push(item);
        after = item;
      }
      expect(seen.sort()).toEqual([...HOSTILE].sort());
    });

    it("deletes what is not there without a word", () => {
      write({ table: "counter", group: "g", item: "i", row: null });
      expect(store.list("counter", "g")).toEqual([]);
    });
  });
};
