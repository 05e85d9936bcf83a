// How long a driver waits before it tries its source again. Pure: the attempt and the jitter go in, milliseconds come out.
// Doubling from half a second to half a minute; the jitter takes up to half of it away, so that devices that lost power together do not come back together.
import type { Random } from "./driver.ts";

export interface BackoffPolicy {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** A plugged-in cable is noticed within half a minute at worst, and an absent one costs two attempts a minute. */
export const RECONNECT: BackoffPolicy = { firstMs: 500, maxMs: 30_000 };

/** The source counts as steady, and the next failure as a first one, once it stayed open this long. */
export const STEADY_MS = 10_000;

/** The delay before attempt number `attempt` (0 is the first retry), with `jitter` in [0, 1): between half of the step and the whole of it. */
export const backoffMs = (attempt: number, jitter: number, policy: BackoffPolicy = RECONNECT): number => {
  if (!Number.isInteger(attempt) || attempt < 0)
    throw new RangeError(`attempt: expected 0, 1, 2, ..., got ${attempt}`);
  const step = Math.min(policy.maxMs, policy.firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(step * (0.5 + jitter / 2));
};

/** A number in [0, 1) from two random bytes: fine enough to spread delays of at most a minute. */
export const jitterOf = (random: Random): number => {
  const [high = 0, low = 0] = random(2);
  return (high * 256 + low) / 65_536;
};
