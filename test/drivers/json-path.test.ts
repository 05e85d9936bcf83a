import { describe, expect, it } from "vitest";
import { parsePath, readPath } from "#drivers/json-path.ts";

const message = {
  battery: { cells: [3.9, 4.0], "any name": 1 },
  a: { "x'y": 2 },
  list: [{ v: 7 }],
  none: null,
};
const read = (path: string): unknown => readPath(message, parsePath(path));

describe("a path into a message (RFC 9535, singular paths)", () => {
  it("finds what names, quoted names and indexes point at, with or without the root", () => {
    expect(read("battery.cells[1]")).toBe(4);
    expect(read("$.battery.cells[-1]")).toBe(4);
    expect(read("$['battery']['any name']")).toBe(1);
    expect(read(`a["x'y"]`)).toBe(2);
    expect(read("list[0].v")).toBe(7);
    expect(read("$")).toBe(message);
    expect(readPath([5], parsePath("[0]"))).toBe(5);
  });

  it("finds nothing where there is nothing", () => {
    for (const path of ["nope", "battery.cells[9]", "none.x", "battery[0]", "list.v", "battery.cells.length"])
      expect(read(path), path).toBeUndefined();
  });

  it("does not reach what every object inherits", () => {
    for (const path of ["constructor", "__proto__", "toString", "battery.hasOwnProperty"])
      expect(read(path)).toBeUndefined();
  });

  it("refuses what names more than one place, or is no path, and shows where", () => {
    for (const path of ["a[*]", "..a", "a[1:2]", "a[?(@.b)]", "a.", "a b", "", "a[", "a['b]"])
      expect(() => parsePath(path), path).toThrow(/is not a path/);
    expect(() => parsePath("ab[*]")).toThrow(/position 3/);
  });
});
