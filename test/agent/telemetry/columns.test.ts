import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createColumnsBuilder } from "#agent/telemetry/columns/builder.ts";
import { MAGIC } from "#agent/telemetry/columns/format.ts";
import { decodeColumns } from "#agent/telemetry/columns/parse.ts";
import { PACK_INFLATED_BYTES_MAX, PACK_READINGS_MAX } from "#agent/telemetry/limits.ts";
import { inflateWhole } from "#agent/telemetry/pack/inflate.ts";
import type { PackReading } from "#agent/telemetry/received.ts";
import { anyReadings } from "./arbitrary.ts";
import { codeOf } from "./code-of.ts";

const encode = (readings: readonly PackReading[], count: number = readings.length): Uint8Array => {
  const builder = createColumnsBuilder();
  for (const reading of readings) builder.add(reading);
  return builder.encode(count);
};

const packOf = (body: readonly number[] | Uint8Array): Uint8Array =>
  Buffer.concat([MAGIC, deflateSync(Uint8Array.from(body))]);

const ticks = (values: readonly PackReading["value"][]): PackReading[] =>
  values.map((value, index) => ({ name: "n", value, timeMs: 1_700_000_000_000 + index * 100 }));

describe("columns.v1+zlib", () => {
  it("gives back exactly what went in, in its order", () => {
    fc.assert(
      fc.property(anyReadings, (readings) => {
        expect(decodeColumns(encode(readings), readings.length)).toStrictEqual(readings);
      }),
      { numRuns: 500 },
    );
  });

  it("makes the pack of the first so many readings of what was added", () => {
    fc.assert(
      fc.property(anyReadings, fc.nat(), (readings, some) => {
        const count = 1 + (some % readings.length);
        expect(decodeColumns(encode(readings, count), count)).toStrictEqual(readings.slice(0, count));
      }),
    );
  });

  it.each<[string, PackReading["value"][]]>([
    ["decimals", [12.34, 12.3, 12, -0.01, 0]],
    ["a -0 among decimals", [0.1, -0, 0.1, 0, 0.2, 0.1, 0.3, 0.2, 0.1]],
    ["doubles that are no decimals", [Math.PI, Math.E, Math.SQRT2, 1 / 3]],
    ["the ends of doubles", [Number.MAX_VALUE, Number.MIN_VALUE, -Number.MAX_VALUE, 2 ** 53, 2 ** 53 + 2]],
    ["integers whose differences are large", [2 ** 51, -(2 ** 51), 2 ** 51, 0]],
    ["a sum that shows its binary nature", [0.1 + 0.2, 0.3]],
    ["texts with a byte order mark", ["\uFEFFa", "a", "", "\uFEFFa"]],
  ])("keeps %s", (_what, values) => {
    const readings = ticks(values);
    expect(decodeColumns(encode(readings), values.length)).toStrictEqual(readings);
  });

  it("takes a channel that changes its unit or its kind as two, and keeps the order", () => {
    const readings: PackReading[] = [
      { name: "n", value: 1, timeMs: 1 },
      { name: "n", value: 1, unit: "V", timeMs: 1 },
      { name: "n", value: "1", unit: "V", timeMs: 1 },
      { name: "n", value: true, timeMs: 1 },
      { name: "n", value: 2, timeMs: 1 },
    ];
    expect(decodeColumns(encode(readings), 5)).toStrictEqual(readings);
  });

  it("keeps the order of many channels whose times do not tell it", () => {
    const channel = fc.integer({ min: 0, max: 6 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(channel, fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 60 }),
        (turns) => {
          const readings = turns.map(([name, timeMs], value) => ({ name: `n${name}`, value, timeMs }));
          expect(decodeColumns(encode(readings), readings.length)).toStrictEqual(readings);
        },
      ),
    );
  });

  it("needs next to nothing for what does not change", () => {
    expect(encode(ticks(Array.from({ length: 10_000 }, () => 21.5))).length).toBeLessThan(100);
  });
});

const CHANNEL_A = [0, 1, 0x61];

describe("a hostile pack of columns", () => {
  // count, channels, (kind, name, length), times: own raw from 0 without planes, order: hits, values: exponent, aside, raw from 0 without planes
  const body = [1, 1, ...CHANNEL_A, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];

  it("is one that is otherwise taken", () => {
    expect(decodeColumns(packOf(body), 1)).toEqual([{ name: "a", value: 0, timeMs: 0 }]);
  });

  it.each<[string, Uint8Array, number | null, string]>([
    ["a count that is not the event's", packOf(body), 2, "MALFORMED"],
    ["another version", Buffer.concat([Buffer.from("PTC2"), deflateSync(Buffer.from(body))]), 1, "VERSION"],
    [
      "another beginning",
      Buffer.concat([Buffer.from("XXXX"), deflateSync(Buffer.from(body))]),
      1,
      "MALFORMED",
    ],
    ["something behind its columns", packOf([...body, 0]), 1, "MALFORMED"],
    ["something behind its zlib data", Buffer.concat([packOf(body), Buffer.from("x")]), 1, "MALFORMED"],
    ["a bomb", packOf(new Uint8Array(PACK_INFLATED_BYTES_MAX + 1)), null, "LIMIT"],
    ["a count beyond the bound", packOf([0x81, 0x80, 0x80, 1, 1]), null, "LIMIT"],
    ["a count beyond 2^53", packOf([255, 255, 255, 255, 255, 255, 255, 255, 255, 1]), null, "MALFORMED"],
    ["more channels than readings", packOf([1, 2, ...CHANNEL_A, 1, ...CHANNEL_A, 1]), 1, "MALFORMED"],
    ["a channel without readings", packOf([1, 1, ...CHANNEL_A, 0]), 1, "MALFORMED"],
    ["a channel with more readings than the pack", packOf([1, 1, ...CHANNEL_A, 2]), 1, "MALFORMED"],
    ["an unknown kind", packOf([1, 1, 8, 1, 0x61, 1]), 1, "MALFORMED"],
    ["no name", packOf([1, 1, 0, 0, 1]), 1, "MALFORMED"],
    ["a name that is no UTF-8", packOf([1, 1, 0, 1, 0xff, 1]), 1, "MALFORMED"],
    ["a name that is too long", packOf([1, 1, 0, 0x81, 0x20]), 1, "LIMIT"],
    ["times like those of a later channel", packOf([1, 1, ...CHANNEL_A, 1, 1, 0, 0, 0, 0]), 1, "MALFORMED"],
    ["a time before the epoch", packOf([1, 1, ...CHANNEL_A, 1, 0, 0, 1, 1, 0, 1]), 1, "MALFORMED"],
    ["an unknown mode", packOf([1, 1, ...CHANNEL_A, 1, 0, 9]), 1, "MALFORMED"],
    ["planes of a width that no integer has", packOf([1, 1, ...CHANNEL_A, 1, 0, 0, 0, 0, 8]), 1, "MALFORMED"],
    ["an order of more readings", packOf([1, 1, ...CHANNEL_A, 1, 0, 0, 0, 0, 0, 2]), 1, "MALFORMED"],
    ["an order that names no channel", packOf([1, 1, ...CHANNEL_A, 1, 0, 0, 0, 0, 0, 0, 5]), 1, "MALFORMED"],
    ["an unknown exponent", packOf([...body.slice(0, 12), 13, 0, 0, 0, 0, 0]), 1, "MALFORMED"],
    ["a NaN", packOf([...body.slice(0, 12), 255, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f]), 1, "MALFORMED"],
  ])("is refused: %s", (_what, pack, count, code) => {
    expect(codeOf(() => decodeColumns(pack, count))).toBe(code);
  });

  it("is refused where a dictionary makes gigabytes out of one word", () => {
    const word = "w".repeat(40_000);
    const readings = ticks(Array.from({ length: 2_000 }, () => word));
    expect(codeOf(() => decodeColumns(encode(readings), 2_000))).toBe("LIMIT");
  });

  it("takes as many readings as it may, in bounded time and memory", () => {
    const readings = ticks(Array.from({ length: PACK_READINGS_MAX }, () => 1));
    expect(decodeColumns(encode(readings), PACK_READINGS_MAX)).toHaveLength(PACK_READINGS_MAX);
  });

  it("is refused with an error of ours, cut anywhere and with any byte changed", () => {
    const whole = inflateWhole(
      encode(ticks([1.5, "x", true, 2.25, 1 / 3, Uint8Array.of(1)])).subarray(MAGIC.length),
    );
    for (let length = 0; length < whole.length; length += 1)
      expect(codeOf(() => decodeColumns(packOf(whole.subarray(0, length)), 6))).toBe("MALFORMED");
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const changed = Uint8Array.from(whole);
        changed[at] = byte;
        expect(["taken", "MALFORMED", "LIMIT"]).toContain(codeOf(() => decodeColumns(packOf(changed), 6)));
      }),
      { numRuns: 2000 },
    );
  });
});
