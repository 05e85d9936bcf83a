// Readings of every kind for the properties of packs: what a driver may send, and what it will sooner or later.
import fc from "fast-check";
import type { PackReading } from "#agent/telemetry/received.ts";

const decimal = fc
  .tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.nat(9))
  .map(([mantissa, digits]) => mantissa / 10 ** digits);

export const anyNumber: fc.Arbitrary<number> = fc.oneof(
  decimal,
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 5e-324, Number.MAX_VALUE, 2 ** 53, -(2 ** 53), 0.1 + 0.2, 1e21),
);

export const anyValue: fc.Arbitrary<PackReading["value"]> = fc.oneof(
  anyNumber,
  fc.boolean(),
  fc.string({ unit: "grapheme" }).map((text) => text.toWellFormed()),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => new Uint8Array(bytes)),
);

const anyName = fc.oneof(
  fc.constantFrom("battery/voltage", "battery/current", "imu/accel/x", "gps", "a/", "b"),
  fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9:./_-]{0,12}$/),
);

/** Ticks with jitter, repeats, steps back, jumps of fifty years, and the ends of time. */
const anyTime = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_002_000 }),
  fc.nat(4_102_444_800_000),
  fc.constantFrom(0, 1, 999, 8_640_000_000_000_000),
);

const anyReading: fc.Arbitrary<PackReading> = fc.record(
  { name: anyName, value: anyValue, timeMs: anyTime, unit: fc.constantFrom("V", "Cel", "%", "") },
  { requiredKeys: ["name", "value", "timeMs"], noNullPrototype: true },
);

/** A few channels in turns, as a driver makes them: long enough runs that every shape of column comes up. */
const series: fc.Arbitrary<PackReading[]> = fc
  .record({
    channels: fc.integer({ min: 1, max: 5 }),
    periodMs: fc.nat(1000),
    digits: fc.nat(6),
    values: fc.array(fc.oneof({ weight: 20, arbitrary: fc.integer({ min: -300, max: 300 }) }, anyNumber), {
      minLength: 1,
      maxLength: 60,
    }),
    jitter: fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 9 }),
  })
  .map(({ channels, digits, jitter, periodMs, values }) =>
    values.map((value, index) => ({
      name: `channel/${index % channels}`,
      value: Number.isInteger(value) ? value / 10 ** digits : value,
      timeMs:
        1_700_000_000_000 + Math.floor(index / channels) * periodMs + (jitter[index % jitter.length] ?? 0),
    })),
  );

export const anyReadings: fc.Arbitrary<PackReading[]> = fc.oneof(
  fc.array(anyReading, { minLength: 1, maxLength: 40 }),
  series,
);
