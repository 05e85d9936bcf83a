// What an alarm keeps of a reading, and the name that an alarm gets.
import type { ClockState, StampedReading } from "#agent/telemetry/reading.ts";
import { VALUE_CHARS_MAX } from "./limits.ts";
import type { Sample } from "./state.ts";

/** Crockford's base 32: no letter that is taken for a digit. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** Five random bytes as eight characters. */
export const idOf = (bytes: Uint8Array): string => {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{5}/g) ?? []).map((five) => ALPHABET.charAt(Number.parseInt(five, 2))).join("");
};

export const sampleOf = (
  reading: StampedReading,
  clock: ClockState,
  stream: string | null,
  seq: number | null,
): Sample => {
  const { monoMs, timeMs, unit = null, value } = reading;
  const shown = typeof value === "string" ? value.slice(0, VALUE_CHARS_MAX).toWellFormed() : value;
  return {
    value: shown instanceof Uint8Array ? null : shown,
    unit,
    timeMs,
    monoMs,
    clock,
    stream,
    seq,
  };
};
