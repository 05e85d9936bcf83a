import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import {
  compileMapping,
  isReadingName,
  type MappingOptions,
  readingsSchema,
  timeSchema,
} from "#drivers/mapping.ts";
import type { Payload } from "#drivers/payload.ts";

const text = (value: string): Payload => ({ kind: "text", text: value });
const tree = (value: unknown): Payload => ({ kind: "tree", value });
const map = (options: MappingOptions, payload: Payload, variables: Record<string, string> = {}) =>
  compileMapping(options, "dev")(payload, { monoMs: 5, variables });
const values = (options: MappingOptions, payload: Payload, variables?: Record<string, string>) =>
  map(options, payload, variables).readings.map(({ name, value }) => [name, value]);
const problems = (options: MappingOptions, payload: Payload) =>
  map(options, payload).problems.map(({ counter, message }) => `${counter}: ${message}`);

describe("the mapping with rules", () => {
  const rules = { readings: [{ name: "gps/lat", from: "lat", unit: "lat", type: "number" as const }] };

  it("gives name, value, unit and the time of arrival", () => {
    expect(map(rules, tree({ lat: "48.1173", lon: "11.5" })).readings).toEqual([
      { name: "gps/lat", value: 48.1173, unit: "lat", monoMs: 5 },
    ]);
  });

  it("converts to the type that is asked for", () => {
    const of = (type: "number" | "string" | "boolean" | "bytes", raw: unknown) =>
      values({ readings: [{ name: "x", from: "x", type }] }, tree({ x: raw }))[0]?.[1];
    expect(of("number", " +007.50 ")).toBe(7.5);
    expect(of("string", 7)).toBe("7");
    expect(of("boolean", "ON")).toBe(true);
    expect(of("boolean", 0)).toBe(false);
    expect(of("bytes", "hi")).toEqual(new TextEncoder().encode("hi"));
  });

  it("scales and shifts numbers", () => {
    const readings = [{ name: "v", from: "raw", scale: 0.5, offset: -1 }];
    expect(values({ readings }, tree({ raw: 10 }))).toEqual([["v", 4]]);
  });

  it("reports a value of the wrong type as malformed, with what was expected and found", () => {
    expect(problems(rules, tree({ lat: "north" }))).toEqual([
      "malformed: gps/lat: expected a number, found north",
    ]);
    for (const raw of ["NaN", "Infinity", "0x10", "", "1e999", "1,5", {}, []])
      expect(problems(rules, tree({ lat: raw }))[0], String(raw)).toMatch(/^malformed/);
  });

  it("calls it malformed when all rules look into a message that has no inside, once", () => {
    const readings = [
      { name: "a", from: "a" },
      { name: "b", from: "b" },
    ];
    expect(problems({ readings }, text("{broken"))).toEqual([
      "malformed: expected JSON or named values, to look into, found text",
    ]);
    expect(problems({ readings }, { kind: "bytes", bytes: Uint8Array.of(0xff) })[0]).toMatch(/^malformed/);
    // A rule without a path takes the message as it is, so text is what it should be.
    expect(values({ readings: [...readings, { name: "all" }] }, text("hi"))).toEqual([["all", "hi"]]);
    // So a broker is told to keep nothing.
    expect(problems({ readings }, text(""))[0]).toMatch(/^unmatched/);
  });

  it("passes over a value that is not in this message, and says so when none is", () => {
    const readings = [
      { name: "a", from: "a" },
      { name: "b", from: "b" },
    ];
    expect(values({ readings }, tree({ b: 1, a: null }))).toEqual([["b", 1]]);
    expect(problems({ readings }, tree({ c: 1 }))[0]).toMatch(/^unmatched/);
  });

  it("fills names with values of the message and with given variables", () => {
    const readings = [{ name: "{site}/{room}/temp", from: "t" }];
    expect(values({ readings }, tree({ t: 1, room: "attic 2" }), { site: "home" })).toEqual([
      ["home/attic_2/temp", 1],
    ]);
    expect(problems({ readings }, tree({ t: 1 }))[0]).toMatch(/needs a value \{site\}/);
  });

  it("refuses a name that comes out wrong", () => {
    expect(problems({ readings: [{ name: "{n}", from: "t" }] }, tree({ t: 1, n: "/x" }))[0]).toMatch(
      /not a name/,
    );
  });

  it("takes the source's own time where told", () => {
    const at = (format: "iso" | "s" | "ms", raw: unknown) =>
      map({ time: { from: "at", format }, readings: [{ name: "x", from: "x" }] }, tree({ x: 1, at: raw }))
        .readings[0]?.sourceMs;
    expect(at("iso", "2026-11-24T12:00:00Z")).toBe(Date.UTC(2026, 10, 24, 12));
    expect(at("s", 10.5)).toBe(10_500);
    expect(at("ms", "12")).toBe(12);
    expect(at("iso", "yesterday")).toBeUndefined();
  });

  it("bounds the size of a value", () => {
    expect(problems({ readings: [{ name: "x" }] }, text("a".repeat(40_000)))[0]).toMatch(
      /at most 32768 bytes, found 40000/,
    );
  });
});

describe("the mapping without rules", () => {
  it("names a single value after the driver, a number where it is one", () => {
    expect(values({}, text("21.5"))).toEqual([["dev", 21.5]]);
    expect(values({}, text("ready"))).toEqual([["dev", "ready"]]);
  });

  it("names each value of a tree by its place", () => {
    expect(
      values({}, tree({ t: 1, gps: { lat: 2, fix: true }, cells: [3, 4], "a b": "x", none: null })),
    ).toEqual([
      ["dev/t", 1],
      ["dev/gps/lat", 2],
      ["dev/gps/fix", true],
      ["dev/cells/0", 3],
      ["dev/cells/1", 4],
      ["dev/a_b", "x"],
    ]);
  });

  it("stops at a bounded depth and number of values", () => {
    const wide = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k${index}`, index]));
    expect(values({}, tree(wide))).toHaveLength(64);
    expect(problems({}, tree({ a: { a: { a: { a: { a: 1 } } } } }))[0]).toMatch(/^unmatched/);
  });

  it("never throws and gives only SenML names and finite numbers, whatever comes", () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.anything()), (value) => {
        for (const reading of map({}, tree(value)).readings) {
          expect(isReadingName(reading.name)).toBe(true);
          if (typeof reading.value === "number") expect(Number.isFinite(reading.value)).toBe(true);
        }
      }),
    );
  });
});

describe("the schema of readings", () => {
  const message = (readings: unknown): string | undefined =>
    readingsSchema.safeParse(readings).error?.issues[0]?.message;

  it("takes a sensible list, and none", () => {
    expect(readingsSchema.safeParse([{ name: "gps/{x}", from: "a.b[0]", unit: "Cel" }]).success).toBe(true);
    expect(readingsSchema.safeParse(undefined).success).toBe(true);
  });

  it("says what was expected of names and paths", () => {
    expect(message([{ name: "/gps" }])).toMatch(/^expected a name of letters/);
    expect(message([{ name: "gps lat" }])).toMatch(/^expected a name of letters/);
    expect(message([{ name: "x", from: "a[*]" }])).toMatch(/^expected a path/);
  });

  it("refuses unknown keys", () => {
    expect(message([{ name: "x", form: "y" }])).toMatch(/Unrecognized key/);
  });

  it("documents every option", () => {
    const schema = JSON.stringify(
      z.toJSONSchema(z.object({ readings: readingsSchema, time: timeSchema }), { io: "input" }),
    );
    expect(schema.match(/"description"/g)?.length).toBeGreaterThanOrEqual(10);
  });
});
