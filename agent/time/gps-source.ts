// A reading that is a receiver's time (config `time.gps`): a number of seconds or milliseconds since the epoch, text as of ISO 8601, or any value of a
// reading that its source stamped.
import type { Reading } from "#drivers/driver.ts";

/** Seconds are below it until the year 5138, milliseconds above it since 1973. */
const MILLISECONDS_FROM = 1e11;

/** With a zone: a date without one would be taken for local time. */
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)$/;

/** The receiver's time in ms since the epoch, or null where the reading says none (no fix yet). */
export const gpsTimeOf = ({ sourceMs, value }: Reading): number | null => {
  if (typeof value === "number" && Number.isFinite(value) && value > 0)
    return Math.round(value < MILLISECONDS_FROM ? value * 1000 : value);
  if (typeof value === "string" && ISO.test(value)) {
    const ms = Date.parse(value);
    return Number.isNaN(ms) ? null : ms;
  }
  return sourceMs !== undefined && Number.isFinite(sourceMs) ? Math.round(sourceMs) : null;
};

/** Hands on every time that the reading named `name` says. */
export const watchGps =
  (name: string | undefined, tell: (wallMs: number, monoMs: number) => void) =>
  (readings: readonly Reading[]): void => {
    if (name === undefined) return;
    for (const reading of readings) {
      const wallMs = reading.name === name ? gpsTimeOf(reading) : null;
      if (wallMs !== null) tell(wallMs, reading.monoMs);
    }
  };
