// The protobuf subset: the strict reader takes one encoding of one message, the outer reader takes what protobuf allows.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fieldBytes, readFields, StrictReader, varintBytes, writeField, writeVarint } from "#crypto/wire.ts";
import { codeOf } from "#test/crypto/olm/support.ts";
import { toHex } from "#test/crypto/provider/support.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.of(...values);
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });

describe("varints", () => {
  it.each([
    [0, "00"],
    [1, "01"],
    [127, "7f"],
    [128, "8001"],
    [300, "ac02"],
    [16383, "ff7f"],
    [16384, "808001"],
    [0xffff_ffff, "ffffffff0f"],
  ])("%i is written as %s", (value, hex) => {
    const target = new Uint8Array(8).fill(0xee);
    const end = writeVarint(target, 1, value);
    expect(toHex(target.subarray(1, end))).toBe(hex);
    expect(varintBytes(value)).toBe(hex.length / 2);
    expect(target[end]).toBe(0xee);
  });

  it("are read back as they were written", () => {
    fc.assert(
      fc.property(uint32, (value) => {
        const target = new Uint8Array(1 + varintBytes(value));
        target[0] = 0x10;
        writeVarint(target, 1, value);
        const reader = new StrictReader(target, "test");
        expect(reader.uint32(0x10)).toBe(value);
        reader.end();
      }),
    );
  });
});

describe("fields", () => {
  it("are written with their tag and length, and take as many bytes as fieldBytes says", () => {
    const target = new Uint8Array(10);
    expect(writeField(target, 2, 0x22, bytes(7, 8, 9))).toBe(7);
    expect(toHex(target)).toBe("00002203070809000000");
    expect(fieldBytes(3)).toBe(5);
    expect(fieldBytes(200)).toBe(203);
  });
});

describe("the strict reader", () => {
  const reader = (...values: number[]): StrictReader => new StrictReader(bytes(...values), "test");

  it("reads version, number and bytes in their order", () => {
    const message = reader(3, 0x10, 0x05, 0x22, 0x02, 9, 8);
    message.version(3);
    expect(message.uint32(0x10)).toBe(5);
    expect(message.bytes(0x22)).toEqual(bytes(9, 8));
    message.end();
  });

  it.each([
    ["another version", () => reader(4).version(3), "VERSION"],
    ["no version", () => reader().version(3), "FORMAT"],
    ["another tag", () => reader(0x12, 1).uint32(0x10), "FORMAT"],
    ["no tag", () => reader().uint32(0x10), "FORMAT"],
    ["no number", () => reader(0x10).uint32(0x10), "FORMAT"],
    ["a number that is cut off", () => reader(0x10, 0x80).uint32(0x10), "FORMAT"],
    ["a number with a zero byte at the end", () => reader(0x10, 0x80, 0x00).uint32(0x10), "FORMAT"],
    ["2^32", () => reader(0x10, 0x80, 0x80, 0x80, 0x80, 0x10).uint32(0x10), "FORMAT"],
    ["six bytes", () => reader(0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01).uint32(0x10), "FORMAT"],
    ["eleven bytes", () => reader(0x10, ...new Array<number>(10).fill(0x80), 0x01).uint32(0x10), "FORMAT"],
    ["bytes that are cut off", () => reader(0x22, 3, 1, 2).bytes(0x22), "FORMAT"],
    [
      "bytes of a length near 2^32",
      () => reader(0x22, 0xff, 0xff, 0xff, 0xff, 0x0f, 1).bytes(0x22),
      "FORMAT",
    ],
    ["bytes left over", () => reader(1).end(), "FORMAT"],
  ])("refuses %s", (_what, call, code) => {
    expect(codeOf(call)).toBe(code);
  });

  it("reads a single zero byte as zero", () => {
    expect(reader(0x10, 0).uint32(0x10)).toBe(0);
  });

  it("reads bytes that end with the message", () => {
    expect(reader(0x22, 1, 5).bytes(0x22)).toEqual(bytes(5));
    expect(reader(0x22, 0).bytes(0x22)).toEqual(bytes());
  });

  it("says what and where in its errors", () => {
    expect(() => new StrictReader(bytes(3, 0x11), "a thing").uint32(0x10)).toThrow(
      /a thing: expected field 0x10, found 0x3 at byte 1 of 2/,
    );
  });
});

describe("the outer reader", () => {
  const TAGS = [0x0a, 0x22] as const;
  const fields = (...values: number[]): string =>
    JSON.stringify(
      [...readFields(bytes(3, ...values), 1, TAGS, "test")].map(([tag, value]) => [tag, ...value]),
    );

  it("finds fields in any order and skips unknown ones", () => {
    expect(fields(0x22, 1, 7, 0x0a, 2, 5, 6)).toBe("[[34,7],[10,5,6]]");
    expect(fields(0x2a, 1, 9, 0x30, 0x85, 0x01, 0x0a, 0, 0x7a, 2, 1, 1)).toBe("[[10]]");
    expect(fields()).toBe("[]");
  });

  it("takes the last of two alike, as protobuf does", () => {
    expect(fields(0x0a, 1, 1, 0x0a, 1, 2)).toBe("[[10,2]]");
  });

  it("takes lengths that are written longer than they need be, up to ten bytes", () => {
    expect(fields(0x0a, 0x81, 0x80, 0x00, 7)).toBe("[[10,7]]");
    expect(fields(0x0a, 0x81, ...new Array<number>(8).fill(0x80), 0x00, 7)).toBe("[[10,7]]");
  });

  it.each([
    ["an eleven-byte varint", [0x0a, 0x81, ...new Array<number>(9).fill(0x80), 0x00, 7]],
    ["field number zero", [0x02, 1, 1]],
    ["field number zero, a varint", [0x00, 1]],
    ["a tag of two bytes", [0x8a, 0x00, 1, 1]],
    ["a known number as a varint", [0x08, 1]],
    ["a fixed 64-bit field", [0x31, 1, 2, 3, 4, 5, 6, 7, 8]],
    ["a fixed 32-bit field", [0x35, 1, 2, 3, 4]],
    ["a group", [0x33]],
    ["a field that is cut off", [0x0a, 2, 1]],
    ["an unknown field that is cut off", [0x2a, 2, 1]],
    ["a tag alone", [0x0a]],
    ["a length beyond everything", [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1]],
  ])("refuses %s", (_what, values) => {
    expect(codeOf(() => fields(...values))).toBe("FORMAT");
  });

  it("never reads behind the end, whatever it is given", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (values) => {
        try {
          for (const value of readFields(values, 0, TAGS, "test").values()) {
            expect(value.byteOffset + value.length).toBeLessThanOrEqual(values.byteOffset + values.length);
          }
        } catch (error) {
          expect(error).toMatchObject({ code: "FORMAT" });
        }
      }),
    );
  });
});
