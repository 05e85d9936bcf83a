// What the composition root hands to everything else: time, timers, randomness, log. Nothing in agent/ but main.ts makes one of its own.
export type { Clock, Log, Random, Timers } from "#drivers/driver.ts";

import type { Clock, Log, Random, Timers } from "#drivers/driver.ts";

export interface Runtime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
}

/** Resolves after `delayMs`, or at once when the signal is aborted: who waits checks the signal, nobody catches an exception for it. */
export const pause = (timers: Timers, delayMs: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = timers.after(delayMs, done);
    signal?.addEventListener("abort", done, { once: true });
  });
