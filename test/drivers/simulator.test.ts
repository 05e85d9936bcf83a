import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DriverError } from "#drivers/driver.ts";
import { droneAt } from "#drivers/simulator/drone.ts";
import type { Signal } from "#drivers/simulator/signal.ts";
import { weatherAt } from "#drivers/simulator/weather.ts";
import { simulator } from "#drivers/simulator.ts";
import { testDriver } from "./conformance.ts";
import { createHarness } from "./harness.ts";

const HOME = { lat: 48.1173, lon: 11.5167, alt: 545 };
const drone = (timeS: number, seed = 1): Signal[] => droneAt(seed, timeS, HOME);
const valueIn = (signals: readonly Signal[], name: string): number =>
  Number(signals.find((signal) => signal.name === name)?.value ?? Number.NaN);
const modeAt = (timeS: number): unknown => drone(timeS).find(({ name }) => name === "mode")?.value;
const series = (name: string, fromS: number, toS: number, seed = 1): number[] =>
  Array.from({ length: toS - fromS + 1 }, (_, index) => valueIn(drone(fromS + index, seed), name));
const steps = (values: readonly number[]): number[] =>
  values.slice(1).map((value, index) => value - (values[index] ?? 0));

testDriver("simulator", {
  vanishes: false,
  writes: true,
  garbles: false,
  open: async () => ({
    create: (context) => simulator.create("drone", simulator.schema.parse({}), context),
    produce: (harness) => harness.timers.advance(1_000),
    write: { target: "relay", payload: Buffer.from("on") },
    dispose: async () => undefined,
  }),
});

describe("the simulated drone", () => {
  it("is a pure function of seed and time", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2_147_483_647 }),
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        (seed, timeS) => {
          expect(drone(timeS, seed)).toEqual(drone(timeS, seed));
        },
      ),
    );
    expect(drone(200, 1)).not.toEqual(drone(200, 2));
  });

  it("stays within what a drone can do, at any time and with any seed", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2_147_483_647 }), fc.nat({ max: 1_000_000 }), (seed, timeS) => {
        const signals = drone(timeS, seed);
        const within = (name: string, low: number, high: number): void => {
          expect(valueIn(signals, name), name).toBeGreaterThanOrEqual(low);
          expect(valueIn(signals, name), name).toBeLessThanOrEqual(high);
        };
        within("battery/percent", 28, 100);
        within("battery/voltage", 13, 16.9);
        within("gps/alt", HOME.alt, HOME.alt + 42);
        within("gps/satellites", 8, 18);
        within("attitude/roll", -25, 25);
        within("attitude/yaw", 0, 360);
        within("motor/3/rpm", 0, 7_000);
        within("link/rssi", -95, -30);
      }),
    );
  });

  it("goes through a whole flight: stands, takes off, flies its circuit, lands at home, charges", () => {
    expect([5, 25, 100, 300, 440, 500, 605].map(modeAt)).toEqual([
      "STANDBY",
      "TAKEOFF",
      "AUTO",
      "AUTO",
      "LAND",
      "CHARGING",
      "STANDBY",
    ]);
    expect(valueIn(drone(10), "motor/1/rpm")).toBe(0);
    expect(valueIn(drone(200), "motor/1/rpm")).toBeGreaterThan(4_000);
    expect(valueIn(drone(200), "gps/alt")).toBeGreaterThan(HOME.alt + 35);
    for (const name of ["gps/lat", "gps/lon"])
      expect(valueIn(drone(480), name)).toBeCloseTo(valueIn(drone(0), name), 6);
  });

  it("empties its battery in flight and fills it on the ground, and sags under load", () => {
    expect(Math.max(...steps(series("battery/percent", 40, 430)))).toBeLessThanOrEqual(0);
    expect(Math.min(...steps(series("battery/percent", 470, 590)))).toBeGreaterThanOrEqual(0);
    expect(valueIn(drone(30), "battery/voltage")).toBeLessThan(valueIn(drone(10), "battery/voltage") - 0.1);
    expect(valueIn(drone(450), "battery/voltage")).toBeLessThan(valueIn(drone(60), "battery/voltage") - 0.5);
  });

  it("moves without jumps: no faster than 15 m/s, turning no more than 20 degrees a second", () => {
    const metres = steps(series("gps/lat", 0, 1_200)).map((step) => Math.abs(step) * 111_320);
    expect(Math.max(...metres)).toBeLessThan(15);
    const turns = steps(series("attitude/yaw", 40, 430)).map((step) => Math.abs(((step + 540) % 360) - 180));
    expect(Math.max(...turns)).toBeLessThan(20);
  });

  it("feels the wind in the air only", () => {
    expect(new Set(series("attitude/roll", 0, 18))).toEqual(new Set([0]));
    expect(new Set(series("attitude/roll", 100, 160)).size).toBeGreaterThan(20);
  });
});

describe("the simulated weather station", () => {
  it("stays plausible over a month, and its rain gauge never falls", () => {
    let rain = 0;
    for (let hour = 0; hour < 24 * 30; hour += 1) {
      const signals = weatherAt(3, hour * 3_600 + 17);
      expect(valueIn(signals, "temperature")).toBeGreaterThan(-10);
      expect(valueIn(signals, "temperature")).toBeLessThan(35);
      expect(valueIn(signals, "humidity")).toBeLessThanOrEqual(100);
      expect(valueIn(signals, "pressure")).toBeGreaterThan(97_000);
      expect(valueIn(signals, "wind/speed")).toBeGreaterThanOrEqual(0);
      expect(valueIn(signals, "rain")).toBeGreaterThanOrEqual(rain);
      rain = valueIn(signals, "rain");
    }
    expect(rain).toBeGreaterThan(50);
  });

  it("is warmer in the afternoon than before dawn", () => {
    const meanAt = (hour: number): number =>
      Array.from({ length: 20 }, (_, day) =>
        valueIn(weatherAt(1, (day * 24 + hour) * 3_600), "temperature"),
      ).reduce((sum, value) => sum + value, 0) / 20;
    expect(meanAt(16) - meanAt(4)).toBeGreaterThan(6);
  });
});

describe("the driver simulator", () => {
  const last = (harness: ReturnType<typeof createHarness>, name: string): unknown =>
    harness.readings().findLast((reading) => reading.name === name)?.value;

  it("shows at once what was written to it", async () => {
    const harness = createHarness();
    const driver = simulator.create("drone", simulator.schema.parse({ prefix: "d1/" }), harness.context);
    await driver.start();
    expect(last(harness, "d1/relay")).toBe(false);
    await driver.write?.({ target: "relay", payload: Buffer.from("toggle\n") });
    expect(last(harness, "d1/relay")).toBe(true);
    await driver.write?.({ target: "mode", payload: Buffer.from("loiter") });
    expect(last(harness, "d1/mode")).toBe("LOITER");
    await driver.write?.({ target: "mode", payload: Buffer.from("AUTO") });
    expect(last(harness, "d1/mode")).toBe("STANDBY");
    await driver.stop();
  });

  it("refuses what it does not know with a sentence, and changes nothing", async () => {
    const harness = createHarness();
    const driver = simulator.create("drone", simulator.schema.parse({}), harness.context);
    await driver.start();
    for (const [target, word] of [
      ["relay", "perhaps"],
      ["mode", "do a flip"],
      ["horn", "on"],
      ["relay", "constructor"],
    ] as const)
      await expect(driver.write?.({ target, payload: Buffer.from(word) })).rejects.toThrow(DriverError);
    expect(last(harness, "relay")).toBe(false);
    await driver.stop();
  });

  it("samples at its interval, and gives the same flight again for the same seed", async () => {
    const fly = async (): Promise<unknown[]> => {
      const harness = createHarness();
      const driver = simulator.create(
        "d",
        simulator.schema.parse({ seed: 9, interval_ms: 500 }),
        harness.context,
      );
      await driver.start();
      for (let tick = 0; tick < 6; tick += 1) {
        harness.timers.advance(500);
        await Promise.resolve();
        await Promise.resolve();
      }
      await driver.stop();
      expect(new Set(harness.readings().map(({ monoMs }) => monoMs)).size).toBe(7);
      return harness.readings();
    };
    expect(await fly()).toEqual(await fly());
  });

  it("has no write as a weather station", () => {
    const driver = simulator.create(
      "w",
      simulator.schema.parse({ model: "weather" }),
      createHarness().context,
    );
    expect(driver.write).toBeUndefined();
  });
});
