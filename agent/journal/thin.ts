// What stays of readings that wait too long and too many: every n-th of each channel, or its least and greatest value in each window of time. Pure.
import type { StampedReading } from "#agent/telemetry/reading.ts";

export type ThinRule =
  | { readonly keep: "every"; readonly n: number }
  | { readonly keep: "min-max"; readonly windowMs: number };

/** The first of each channel, then every n-th of it. */
export const keepEvery = (readings: readonly StampedReading[], n: number): StampedReading[] => {
  const seen = new Map<string, number>();
  return readings.filter(({ name }) => {
    const index = seen.get(name) ?? 0;
    seen.set(name, index + 1);
    return index % n === 0;
  });
};

interface Extremes {
  least: number;
  leastValue: number;
  greatest: number;
  greatestValue: number;
}

/** The indices that stay: of numbers the least and the greatest of each channel and window, of other values the last. */
export const keepMinMax = (readings: readonly StampedReading[], windowMs: number): StampedReading[] => {
  const windows = new Map<string, Extremes>();
  for (const [index, { monoMs, name, value }] of readings.entries()) {
    const key = `${name} ${Math.floor(monoMs / windowMs)} ${typeof value}`;
    const known = windows.get(key);
    const number = typeof value === "number" ? value : null;
    if (known === undefined || number === null)
      windows.set(key, {
        least: index,
        leastValue: number ?? 0,
        greatest: index,
        greatestValue: number ?? 0,
      });
    else if (number < known.leastValue) Object.assign(known, { least: index, leastValue: number });
    else if (number > known.greatestValue) Object.assign(known, { greatest: index, greatestValue: number });
  }
  const kept = new Set([...windows.values()].flatMap(({ greatest, least }) => [least, greatest]));
  return readings.filter((_, index) => kept.has(index));
};

/** `level` counts how often these were thinned before: windows double each time, so that it goes on saving. */
export const thinOut = (
  readings: readonly StampedReading[],
  rule: ThinRule,
  level: number,
): StampedReading[] =>
  rule.keep === "every"
    ? keepEvery(readings, rule.n)
    : keepMinMax(readings, rule.windowMs * 2 ** Math.min(level, THIN_LEVEL_MAX));

/** Windows beyond 2^20 times the first would be years. */
const THIN_LEVEL_MAX = 20;
