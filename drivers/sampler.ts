// Samples of discarded input for the log: one per reason and minute at most, with the start of what was discarded. Noise must not fill the log.
import type { DriverContext } from "./driver.ts";
import { SAMPLE_BYTES, SAMPLE_EVERY_MS } from "./limits.ts";
import type { MappingProblem } from "./mapping.ts";

/** What was discarded: where it came from and its bytes, of which the log shows the first few. */
export interface Discarded {
  readonly topic: string;
  readonly payload: Uint8Array;
}

export type Sampler = (problem: MappingProblem, discarded: Discarded) => void;

const shown = (payload: Uint8Array): string =>
  Buffer.from(payload.subarray(0, SAMPLE_BYTES))
    .toString("latin1")
    .replaceAll(/[^\x20-\x7e]/g, ".");

export const createSampler = (
  { clock, log }: Pick<DriverContext, "clock" | "log">,
  driver: string,
): Sampler => {
  const lastMs = new Map<string, number>();
  return ({ counter, message }, { topic, payload }) => {
    const now = clock.monoMs();
    const last = lastMs.get(counter);
    if (last !== undefined && now - last < SAMPLE_EVERY_MS) return;
    lastMs.set(counter, now);
    log.warn({ driver, topic, sample: shown(payload), bytes: payload.length }, `${counter}: ${message}`);
  };
};
