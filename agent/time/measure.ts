// Reads the two clocks as one moment. What is kept is their difference: within an epoch it does not change, so it is what a step shows in.
import type { Clock } from "#agent/runtime.ts";

export interface Moment {
  readonly monoMs: number;
  /** Wall time when monotonic time was 0: whole milliseconds. */
  readonly baseMs: number;
}

/** A process that was put aside between the two looks would see a step that never was: the try in which they lie closest counts. */
const TRIES = 3;
const CLOSE_MS = 0.5;

export const measure = (clock: Clock): Moment => {
  let best = { widthMs: Number.POSITIVE_INFINITY, monoMs: 0, baseMs: 0 };
  for (let attempt = 0; attempt < TRIES && best.widthMs > CLOSE_MS; attempt += 1) {
    const from = clock.monoMs();
    const wallMs = clock.wallMs();
    const until = clock.monoMs();
    if (until - from < best.widthMs)
      best = { widthMs: until - from, monoMs: until, baseMs: Math.round(wallMs - (from + until) / 2) };
  }
  return { monoMs: best.monoMs, baseMs: best.baseMs };
};
