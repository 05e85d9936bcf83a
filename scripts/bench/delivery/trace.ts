// The trace of the bench `delivery`: what eight sensors of a drone say at 10 Hz, from a seed, the same on every machine.
//
//   value = level + swing * sin(2 pi t / period) + walk(t) + noise(t), rounded to the channel's decimals
//   noise   normal, of the deviation that the channel names;  walk: a random walk of the deviation it names per sample
//   jumps   with 1 in 5,000 a channel's level changes by 20 deviations of its noise and a tenth of its swing, and stays
//   repeats a channel whose sensor is slower than 10 Hz says its last value again: `fresh` is the share of samples that are new
//   time    the samples of one turn share one time, every 100 ms with a jitter of -1, 0 or +1 ms (1:2:1); 1 turn in 1,000 comes 40 ms late
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { type Random, randomOf } from "#test/crypto/differential/random.ts";

interface Sensor {
  readonly name: string;
  readonly unit: string;
  readonly decimals: number;
  readonly level: number;
  readonly swing: number;
  readonly periodS: number;
  readonly noise: number;
  readonly walk: number;
  readonly fresh: number;
}

const sensor = (
  name: string,
  unit: string,
  decimals: number,
  [level, swing, periodS]: readonly [number, number, number],
  [noise, walk, fresh]: readonly [number, number, number],
): Sensor => ({ name, unit, decimals, level, swing, periodS, noise, walk, fresh });

export const SENSORS: readonly Sensor[] = [
  sensor("battery/voltage", "V", 2, [15.2, 0.4, 1800], [0.01, 0.0005, 1]),
  sensor("battery/current", "A", 1, [12, 3, 45], [0.2, 0.02, 1]),
  sensor("baro/altitude", "m", 1, [120, 25, 300], [0.1, 0.02, 1]),
  sensor("imu/roll", "deg", 1, [0, 4, 12], [0.2, 0.05, 1]),
  sensor("imu/pitch", "deg", 1, [2, 3, 17], [0.2, 0.05, 1]),
  sensor("gps/lat", "lat", 6, [52.52, 0.002, 600], [0.0000015, 0.0000005, 0.5]),
  sensor("gps/lon", "lon", 6, [13.405, 0.003, 600], [0.0000015, 0.0000005, 0.5]),
  sensor("motor/temperature", "Cel", 1, [48, 6, 900], [0.04, 0.005, 0.2]),
];

const RATE_HZ = 10;
const START_MS = 1_764_000_000_000;
const JUMP_ONE_IN = 5_000;
const LATE_ONE_IN = 1_000;
const LATE_MS = 40;

/** Uniform in [0, 1). */
const uniform = (random: Random): number => random.int(2 ** 30) / 2 ** 30;

const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - uniform(random))) * Math.cos(2 * Math.PI * uniform(random));

/** Values of one sensor, one a turn. */
const signal = (random: Random, about: Sensor): ((second: number) => number) => {
  let { level } = about;
  let last = Number.NaN;
  return (second) => {
    level += normal(random) * about.walk;
    if (random.int(JUMP_ONE_IN) === 0) level += 20 * about.noise + about.swing / 10;
    if (uniform(random) >= about.fresh && !Number.isNaN(last)) return last;
    const wave = about.swing * Math.sin((2 * Math.PI * second) / about.periodS);
    last = Number((level + wave + normal(random) * about.noise).toFixed(about.decimals)) + 0;
    return last;
  };
};

const jitterMs = (random: Random): number =>
  random.int(2) + random.int(2) - 1 + (random.int(LATE_ONE_IN) === 0 ? LATE_MS : 0);

/** `seconds` of all sensors, in the order in which they are read. */
export function* trace(seed: number, seconds: number): Generator<StampedReading> {
  const random = randomOf(seed);
  const signals = SENSORS.map((about) => signal(random, about));
  for (let turn = 0; turn < seconds * RATE_HZ; turn += 1) {
    const atMs = (turn * 1000) / RATE_HZ + jitterMs(random);
    for (const [index, { name, unit }] of SENSORS.entries()) {
      const value = signals[index]?.(turn / RATE_HZ) ?? 0;
      yield { name, unit, value, timeMs: START_MS + atMs, monoMs: 60_000 + atMs };
    }
  }
}
