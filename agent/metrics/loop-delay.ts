// How late the event loop is. Node's histogram measures the time between looks that should be `LOOP_RESOLUTION_MS` apart, so that much is taken off.

import type { LoopDelay } from "./figures.ts";
import { LOOP_RESOLUTION_MS, LOOP_WINDOW_MS } from "./limits.ts";

/** Nanoseconds, as perf_hooks gives them. */
export interface LoopHistogram {
  readonly max: number;
  readonly count: number;
  percentile(percentile: number): number;
  reset(): void;
}

const NS_PER_MS = 1e6;

const lateMs = (ns: number): number => Math.max(0, ns / NS_PER_MS - LOOP_RESOLUTION_MS);

/** Nobody looks before the first call, which gives null: an agent whose metrics nobody reads is not woken for them. */
export const watchLoopDelay = (
  watch: (resolutionMs: number) => LoopHistogram,
  monoMs: () => number,
): (() => LoopDelay | null) => {
  let histogram: LoopHistogram | null = null;
  let since = 0;
  return () => {
    histogram ??= watch(LOOP_RESOLUTION_MS);
    if (histogram.count === 0) {
      since = monoMs();
      return null;
    }
    const delay = {
      p50: lateMs(histogram.percentile(50)),
      p99: lateMs(histogram.percentile(99)),
      max: lateMs(histogram.max),
    };
    if (monoMs() - since >= LOOP_WINDOW_MS) {
      histogram.reset();
      since = monoMs();
    }
    return delay;
  };
};
