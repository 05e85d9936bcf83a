// The reader and writer of pickles' plaintexts.
import { describe, expect, it } from "vitest";
import { BinaryReader, BinaryWriter } from "#crypto/pickle/binary.ts";
import { codeOf } from "#test/crypto/olm/support.ts";
import { toHex } from "#test/crypto/provider/support.ts";

describe("the writer", () => {
  it("writes big-endian, and grows as needed", () => {
    const long = new Uint8Array(2000).fill(7);
    const bytes = new BinaryWriter()
      .uint8(1)
      .uint32(0x02030405)
      .uint64(2 ** 40 + 6)
      .bool(true)
      .bool(false)
      .bytes(long)
      .finish();
    expect(toHex(bytes.subarray(0, 15))).toBe("0102030405000001000000000601" + "00");
    expect([bytes.length, bytes.subarray(15).every((byte) => byte === 7)]).toEqual([2015, true]);
  });

  it("fills secrets with zeros once written, and forgets all at the end", () => {
    const secret = Uint8Array.of(1, 2, 3);
    const writer = new BinaryWriter().secret(secret);
    expect([...secret]).toEqual([0, 0, 0]);
    expect([...writer.finish()]).toEqual([1, 2, 3]);
    expect([...writer.finish()]).toEqual([0, 0, 0]);
  });
});

describe("the reader", () => {
  const reader = (...bytes: number[]): BinaryReader => new BinaryReader(Uint8Array.of(...bytes), "test");

  it("reads back what was written, from the middle of other bytes too", () => {
    const around = Uint8Array.of(9, 9, 1, 0, 0, 1, 2, 1, 8, 8, 0, 0, 0, 0, 0, 0, 0, 3, 9);
    const read = new BinaryReader(around.subarray(2, -1), "test");
    expect([read.uint8(), read.uint32(), read.bool(), [...read.bytes(2)], read.uint64(3)]).toEqual([
      1,
      0x0102,
      true,
      [8, 8],
      3,
    ]);
    read.end();
  });

  it("gives copies", () => {
    const source = Uint8Array.of(1, 2);
    const copy = new BinaryReader(source, "test").bytes(2);
    source.fill(0);
    expect([...copy]).toEqual([1, 2]);
  });

  it("reads a list item by item, up to its maximum", () => {
    const read = reader(5, 6);
    expect(read.list(2, 2, () => read.uint8())).toEqual([5, 6]);
  });

  it.each([
    ["a byte", () => reader().uint8()],
    ["a number", () => reader(1, 2, 3).uint32()],
    ["a long number", () => reader(0, 0, 0, 0, 0, 0, 1).uint64(9)],
    ["bytes", () => reader(1).bytes(2)],
    ["a small enough number", () => reader(0, 0, 0, 0, 0, 0, 0, 4).uint64(3)],
    ["a boolean", () => reader(2).bool()],
    ["a short enough list", () => reader(0).list(2, 1, () => 0)],
    ["the end", () => reader(0).end()],
  ])("says so when it expected %s", (_what, call) => {
    expect(codeOf(call)).toBe("FORMAT");
  });

  it("names the object, what it found and where", () => {
    const read = reader(0, 7);
    read.uint8();
    expect(() => read.bool()).toThrow(/^test: expected a boolean, found 7, at byte 2$/);
    expect(() => reader(1, 2).end()).toThrow(/^test: expected the end, found 2 bytes more, at byte 0$/);
    expect(() => reader().list(9, 4, () => 0)).toThrow(/expected a list of at most 4, found 9/);
  });
});
