import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "#agent/matrix/types.ts";
import { checkContent } from "#agent/matrix/validate.ts";
import {
  type Batch,
  encodePlain,
  parseDecimal,
  parseTelemetry,
  type StampedReading,
  TelemetryError,
} from "#agent/telemetry/index.ts";

const schema = JSON.parse(readFileSync("docs/schemas/telemetry.v1.json", "utf8")) as object;
const conforms = new Ajv2020({ logger: false }).compile(schema);

const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.string({ unit: "grapheme" }).map((text) => text.toWellFormed()),
  fc.uint8Array().map((bytes) => new Uint8Array(bytes)),
);

const reading: fc.Arbitrary<StampedReading> = fc.record(
  {
    name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9:./_-]{0,20}$/),
    value,
    unit: fc.constantFrom("V", "Cel", "%"),
    timeMs: fc.nat(4_102_444_800_000),
    monoMs: fc.nat(1e9),
  },
  { requiredKeys: ["name", "value", "timeMs", "monoMs"] },
);

const epoch = { boot: "b", bootSeq: 1, clock: "ntp" } as const;
const batchOf = (readings: StampedReading[], more: Partial<Batch> = {}): Batch => ({
  device: "d",
  stream: "s",
  epoch,
  seq: 0,
  lost: [],
  readings,
  ...more,
});

describe("the plain form", () => {
  it("gives back what went in, and is valid by the published schema and by Matrix", () => {
    fc.assert(
      fc.property(fc.array(reading, { minLength: 1, maxLength: 20 }), fc.nat(1e6), (readings, seq) => {
        const content = encodePlain(batchOf(readings, { seq }));
        expect(conforms(content), JSON.stringify(conforms.errors)).toBe(true);
        checkContent(content, "telemetry");
        const back = parseTelemetry(JSON.parse(JSON.stringify(content)) as JsonObject);
        expect(
          back.readings.map(({ name, value: found, timeMs }) => ({ name, value: found, timeMs })),
        ).toEqual(readings.map(({ name, value: given, timeMs }) => ({ name, value: given, timeMs })));
        expect(back.readings.map((found) => found.seq)).toEqual(readings.map((_, index) => seq + index));
      }),
    );
  });

  it("numbers the readings around those that are lost", () => {
    const one = (number: number): StampedReading => ({ name: "n", value: number, timeMs: 1, monoMs: 1 });
    const lost = [
      { from: 10, count: 5, reason: "full" },
      { from: 17, count: 1, reason: "full" },
    ];
    const content = encodePlain(batchOf([one(1), one(2), one(3)], { seq: 10, lost }));
    expect(content["count"]).toBe(9);
    expect(parseTelemetry(content).readings.map(({ seq }) => seq)).toEqual([15, 16, 18]);
  });

  it.each([
    ["another version", { v: 2 }, "VERSION"],
    ["another form", { encoding: "morse" }, "ENCODING"],
    ["no list of readings", { readings: {} }, "MALFORMED"],
    ["a reading without a value", { readings: [{ n: "a", t: 1 }] }, "MALFORMED"],
    ["a number that is none", { readings: [{ n: "a", t: 1, v: "0x10" }] }, "MALFORMED"],
    ["a negative number", { seq: -1 }, "MALFORMED"],
  ])("refuses %s by its code", (_what, change, code) => {
    const content = {
      ...encodePlain(batchOf([{ name: "n", value: 1, timeMs: 1, monoMs: 1 }])),
      ...change,
    } as JsonObject;
    expect(() => parseTelemetry(content)).toThrow(expect.objectContaining({ code }) as TelemetryError);
  });

  it("never throws anything but its own error, whatever a room holds", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (readings, other) => {
        const content = {
          ...encodePlain(batchOf([{ name: "n", value: 1, timeMs: 1, monoMs: 1 }])),
          readings,
          lost: other,
          seq: 1,
        } as JsonObject;
        try {
          parseTelemetry(content);
        } catch (error) {
          expect(error).toBeInstanceOf(TelemetryError);
        }
      }),
    );
  });
});

describe("a decimal", () => {
  it.each(["", "+1", "01", "1.", ".5", "NaN", "Infinity", "1e999", "0x1", " 1", "1 "])(
    "refuses %j",
    (text) => {
      expect(parseDecimal(text)).toBeNull();
    },
  );
});
