import { describe, expect, it } from "vitest";
import { createMemoryStore } from "#crypto/machine/store/memory.ts";
import { beginWork } from "#crypto/machine/store/work.ts";
import { describeMachineStore } from "./store-conformance.ts";

describeMachineStore("memory", createMemoryStore);

describe("one call's view of the store", () => {
  it("sees its own writes and leaves the store alone", () => {
    const store = createMemoryStore();
    store.write([{ table: "counter", group: "", item: "b", row: { next: 1 } }]);
    const work = beginWork(store);
    work.put("counter", "", "a", { next: 5 });
    work.put("counter", "", "c", { next: 6 });
    work.delete("counter", "", "b");
    expect(work.get("counter", "", "b")).toBeNull();
    expect(work.list("counter", "").map(({ item }) => item)).toEqual(["a", "c"]);
    expect(store.list("counter", "").map(({ item }) => item)).toEqual(["b"]);
  });

  it("gives each changed row once, with its last value", () => {
    const work = beginWork(createMemoryStore());
    work.put("counter", "", "__proto__", { next: 1 });
    work.put("counter", "", "__proto__", { next: 2 });
    expect(work.changes()).toEqual([{ table: "counter", group: "", item: "__proto__", row: { next: 2 } }]);
  });
});
