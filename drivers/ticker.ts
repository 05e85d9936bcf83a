// Something done at once and then at a fixed interval, without drift and without overlap: a round that takes longer than the interval makes the
// next ones fall out, it is never run twice at the same time.
import type { Clock, Timers } from "./driver.ts";

export interface Ticker {
  start(): void;
  /** No round begins any more; resolves when the one that runs has ended. Idempotent. */
  stop(): Promise<void>;
}

/** `round` must not reject: what goes wrong in it is its own business. */
export const createTicker = (
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
  intervalMs: number,
  round: () => Promise<void>,
): Ticker => {
  let running: Promise<void> = Promise.resolve();
  let cancel: (() => void) | null = null;
  let stopped = false;
  let dueMs = 0;

  const plan = (): void => {
    if (stopped) return;
    const late = Math.max(0, clock.monoMs() - dueMs);
    dueMs += intervalMs * (1 + Math.floor(late / intervalMs));
    cancel = timers.after(Math.max(0, dueMs - clock.monoMs()), tick);
  };

  const tick = (): void => {
    cancel = null;
    running = round().then(plan);
  };

  return {
    start: () => {
      if (stopped || cancel !== null) return;
      dueMs = clock.monoMs();
      tick();
    },
    stop: async () => {
      stopped = true;
      cancel?.();
      cancel = null;
      await running;
    },
  };
};
