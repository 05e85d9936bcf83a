import { readFileSync } from "node:fs";
import { deflateSync, inflateSync } from "node:zlib";
import { Decoder, Encoder } from "cbor-x/encode";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PACK_INFLATED_BYTES_MAX } from "#agent/telemetry/limits.ts";
import { createSenmlBuilder } from "#agent/telemetry/pack/senml.ts";
import { decodeSenml } from "#agent/telemetry/pack/senml-parse.ts";
import type { PackReading } from "#agent/telemetry/received.ts";
import { anyReadings } from "../arbitrary.ts";
import { codeOf } from "../code-of.ts";

const encode = (readings: readonly PackReading[], count: number = readings.length): Uint8Array => {
  const builder = createSenmlBuilder();
  for (const reading of readings) builder.add(reading);
  return builder.encode(count);
};

const encoder = new Encoder({ mapsAsObjects: false, useRecords: false, tagUint8Array: false });
type Cell = number | string | boolean | bigint | null | Uint8Array | readonly Cell[];
const packOf = (...records: readonly (readonly (readonly [number | string, Cell])[])[]): Uint8Array =>
  deflateSync(encoder.encode(records.map((pairs) => new Map(pairs))));
const hex = (text: string): Uint8Array => deflateSync(Buffer.from(text.replaceAll(" ", ""), "hex"));

describe("senml+cbor+zlib", () => {
  it("gives back exactly what went in, in its order", () => {
    fc.assert(
      fc.property(anyReadings, (readings) => {
        expect(decodeSenml(encode(readings), readings.length)).toStrictEqual(readings);
      }),
    );
  });

  it("makes the pack of the first so many readings of what was added", () => {
    fc.assert(
      fc.property(anyReadings, fc.nat(), (readings, some) => {
        const count = 1 + (some % readings.length);
        expect(decodeSenml(encode(readings, count), count)).toStrictEqual(readings.slice(0, count));
      }),
    );
  });

  it("is what RFC 8428 says: base name, base time and base unit in the first record, the rest relative to them", () => {
    const readings = [
      { name: "battery/voltage", value: 12.5, unit: "V", timeMs: 1_700_000_000_250 },
      { name: "battery/cell", value: true, unit: "V", timeMs: 1_700_000_001_000 },
    ];
    const plain: unknown = new Decoder({ mapsAsObjects: false }).decode(inflateSync(encode(readings)));
    expect(plain).toEqual([
      new Map<number, unknown>([
        [-3, 1_700_000_000],
        [6, 0.25],
        [-2, "battery/"],
        [0, "voltage"],
        [-4, "V"],
        [2, 12.5],
      ]),
      new Map<number, unknown>([
        [6, 1],
        [0, "cell"],
        [4, true],
      ]),
    ]);
  });

  it("reads the example of RFC 8428 with base name, base time and base unit", () => {
    // Section 5.1.2 of the RFC in the labels of its section 6, without its base version, which is a later one's to raise.
    const pack = packOf(
      [
        [-2, "urn:dev:ow:10e2073a0108006:"],
        [-3, 1_276_020_076.001],
        [-4, "A"],
        [0, "voltage"],
        [1, "V"],
        [2, 120.1],
      ],
      [
        [0, "current"],
        [6, -5],
        [2, 1.2],
      ],
    );
    expect(decodeSenml(pack, 2)).toEqual([
      { name: "urn:dev:ow:10e2073a0108006:voltage", unit: "V", timeMs: 1_276_020_076_001, value: 120.1 },
      { name: "urn:dev:ow:10e2073a0108006:current", unit: "A", timeMs: 1_276_020_071_001, value: 1.2 },
    ]);
  });

  it("ignores fields that it does not know", () => {
    expect(
      decodeSenml(
        packOf([
          [0, "a"],
          [2, 1],
          ["colour", "red"],
          [99, 1],
        ]),
        1,
      ),
    ).toEqual([{ name: "a", value: 1, timeMs: 0 }]);
  });
});

describe("a hostile SenML pack", () => {
  const good = encode([{ name: "a", value: 1, timeMs: 1 }]);

  it.each<[string, () => Uint8Array, string]>([
    [
      "a count that is not the event's",
      () =>
        packOf(
          [
            [0, "a"],
            [2, 1],
          ],
          [
            [0, "a"],
            [2, 1],
          ],
        ),
      "MALFORMED",
    ],
    ["something behind the zlib data", () => Buffer.concat([good, Uint8Array.of(0)]), "MALFORMED"],
    ["zlib data that is cut", () => good.subarray(0, good.length - 2), "MALFORMED"],
    [
      "a wrong checksum",
      () => Uint8Array.from(good, (byte, at) => (at === good.length - 1 ? byte ^ 1 : byte)),
      "MALFORMED",
    ],
    ["no zlib data", () => Uint8Array.of(1, 2, 3), "MALFORMED"],
    ["a bomb", () => deflateSync(Buffer.alloc(PACK_INFLATED_BYTES_MAX + 1)), "LIMIT"],
    ["something behind the array", () => hex("81 a2 00 61 61 02 01 00"), "MALFORMED"],
    ["an array longer than it says it is able to be", () => hex("9b ff ff ff ff ff ff ff ff"), "LIMIT"],
    ["a map of a billion fields", () => hex("81 ba 3b 9a ca 00"), "LIMIT"],
    ["a text of a gigabyte", () => hex("81 a1 00 7a 40 00 00 00"), "MALFORMED"],
    ["an indefinite array", () => hex("9f a2 00 61 61 02 01 ff"), "MALFORMED"],
    ["a tag", () => hex("81 a2 00 61 61 02 c1 01"), "MALFORMED"],
    ["a nested list", () => hex("81 a2 00 61 61 02 81 01"), "MALFORMED"],
    ["a null", () => hex("81 a2 00 61 61 02 f6"), "MALFORMED"],
    ["a text that is no UTF-8", () => hex("81 a2 00 61 ff 02 01"), "MALFORMED"],
    ["a NaN", () => hex("81 a2 00 61 61 02 f9 7e 00"), "MALFORMED"],
    ["no array", () => packOf().subarray(0, 0), "MALFORMED"],
    ["no name", () => packOf([[2, 1]]), "MALFORMED"],
    ["no value", () => packOf([[0, "a"]]), "MALFORMED"],
    [
      "two values",
      () =>
        packOf([
          [0, "a"],
          [2, 1],
          [4, true],
        ]),
      "MALFORMED",
    ],
    [
      "a value of another kind than its label",
      () =>
        packOf([
          [0, "a"],
          [2, "1"],
        ]),
      "MALFORMED",
    ],
    [
      "a time before the epoch",
      () =>
        packOf([
          [0, "a"],
          [2, 1],
          [6, -1],
        ]),
      "MALFORMED",
    ],
    [
      "a time beyond the calendar",
      () =>
        packOf([
          [0, "a"],
          [2, 1],
          [6, 1e300],
        ]),
      "MALFORMED",
    ],
    [
      "a field that must be understood",
      () =>
        packOf([
          [0, "a"],
          [2, 1],
          ["alert_", 1],
        ]),
      "ENCODING",
    ],
    [
      "another version of SenML",
      () =>
        packOf([
          [-1, 11],
          [0, "a"],
          [2, 1],
        ]),
      "VERSION",
    ],
    [
      "a base name that makes gigabytes",
      () =>
        packOf(
          [
            [-2, "n".repeat(100_000)],
            [2, 1],
          ],
          ...Array.from({ length: 700 }, () => [[2, 1]] as const),
        ),
      "LIMIT",
    ],
  ])("is refused: %s", (_what, pack, code) => {
    expect(codeOf(() => decodeSenml(pack(), _what.includes("gigabytes") ? null : 1))).toBe(code);
  });

  it("is refused with an error of ours whatever byte is changed, and never read as something it does not hold", () => {
    const readings = [
      { name: "a/b", value: 1.5, unit: "V", timeMs: 1_700_000_000_001 },
      { name: "a/c", value: "x", timeMs: 5 },
    ];
    const cbor = inflateSync(encode(readings));
    fc.assert(
      fc.property(fc.nat(cbor.length - 1), fc.nat(255), (at, byte) => {
        const changed = Uint8Array.from(cbor);
        changed[at] = byte;
        expect(["taken", "MALFORMED", "LIMIT", "ENCODING", "VERSION"]).toContain(
          codeOf(() => decodeSenml(deflateSync(changed), 2)),
        );
      }),
      { numRuns: 1000 },
    );
  });
});

it("loads no native addon for CBOR", () => {
  const sources = ["senml.ts", "senml-parse.ts"].map((file) =>
    readFileSync(`agent/telemetry/pack/${file}`, "utf8"),
  );
  for (const source of sources) expect(source).not.toMatch(/from "cbor-x"/);
  const loaded = (process.report.getReport() as { readonly sharedObjects: readonly string[] }).sharedObjects; // Node's documented report
  expect(loaded.filter((path) => path.includes("cbor"))).toEqual([]);
});
