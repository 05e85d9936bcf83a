// Time that stands still while something is on its way and otherwise jumps to the next timer: days of an outage pass in seconds, and in order.
import { onTestFinished } from "vitest";
import type { Clock, Timers } from "#agent/runtime.ts";

export interface SimulatedTime {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Says when something is on its way; nothing is, until it is told. */
  watch(busy: () => boolean): void;
  /** Resolves once the condition holds. Rejects when `limitMs` of this time passed before. */
  until(condition: () => boolean, limitMs: number): Promise<void>;
}

interface Waiting {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** So many turns of the loop in a row without anything on its way: requests between our two ends of a loopback socket are seen within them. */
const QUIET_TURNS = 4;

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(() => setImmediate(resolve), 1));

const firstOf = (waiting: ReadonlySet<Waiting>): Waiting | undefined => {
  let first: Waiting | undefined;
  for (const one of waiting)
    if (first === undefined || one.at < first.at || (one.at === first.at && one.order < first.order))
      first = one;
  return first;
};

/** Begins at `wallMs`, and runs until the test ends. */
export const simulatedTime = (wallMs: number): SimulatedTime => {
  const waiting = new Set<Waiting>();
  const watched: (() => boolean)[] = [];
  let now = 0;
  let order = 0;
  let over = false;

  const isBusy = (): boolean => watched.some((busy) => busy());
  const quiet = async (): Promise<void> => {
    for (let turns = 0; turns < QUIET_TURNS && !over; turns += 1) {
      await turn();
      if (isBusy()) turns = -1;
    }
  };
  const run = async (): Promise<void> => {
    while (!over) {
      await quiet();
      const next = firstOf(waiting);
      if (next === undefined) continue;
      waiting.delete(next);
      now = Math.max(now, next.at);
      next.callback();
    }
  };
  const running = run();
  onTestFinished(async () => {
    over = true;
    await running;
  });

  return {
    clock: { wallMs: () => wallMs + now, monoMs: () => now },
    timers: {
      after: (delayMs, callback) => {
        order += 1;
        const one = { at: now + Math.max(0, delayMs), order, callback };
        waiting.add(one);
        return () => void waiting.delete(one);
      },
    },
    watch: (busy) => void watched.push(busy),
    until: async (condition, limitMs) => {
      const end = now + limitMs;
      while (!condition()) {
        if (now > end) throw new Error(`not in ${limitMs / 1000} simulated seconds: ${String(condition)}`);
        await turn();
      }
    },
  };
};
