// What happens at the pins by time alone: a debounce ends, a counter reports, a lost link has lasted long enough.
import type { DriverContext, Reading } from "../driver.ts";
import type { EdgeResult, Input } from "./input.ts";
import type { OutputOptions } from "./options.ts";

/** Timers by name: a new one replaces the one before it. */
interface NamedTimers {
  set(name: string, delayMs: number, run: () => void): void;
  has(name: string): boolean;
  stop(): void;
}

const createNamedTimers = ({ timers }: Pick<DriverContext, "timers">): NamedTimers => {
  const cancels = new Map<string, () => void>();
  return {
    has: (name) => cancels.has(name),
    set: (name, delayMs, run) => {
      cancels.get(name)?.();
      cancels.set(name, timers.after(Math.max(0, delayMs), run));
    },
    stop: () => {
      for (const cancel of cancels.values()) cancel();
      cancels.clear();
    },
  };
};

export interface InputClock {
  /** Passes on what an edge brought, and comes back when its debounce ends. */
  take(input: Input, result: EdgeResult): void;
  /** Begins the reports of a counter. */
  count(input: Input): void;
  stop(): void;
}

export const createInputClock = (
  context: DriverContext,
  offer: (readings: readonly Reading[]) => void,
): InputClock => {
  const timers = createNamedTimers(context);
  const now = (): number => context.clock.monoMs();
  const take = (input: Input, { readings, lost, settleAtMs }: EdgeResult): void => {
    if (lost > 0) {
      context.count("edges_lost", lost);
      context.log.warn({ input: input.options.name }, "an edge was lost: two equal ones came in a row");
    }
    if (readings.length > 0) offer(readings);
    if (settleAtMs !== null)
      timers.set(`settle ${input.options.name}`, settleAtMs - now(), () => take(input, input.settle(now())));
  };
  const count = (input: Input): void => {
    const every = input.options.count?.every_s;
    if (every === undefined) return;
    timers.set(`count ${input.options.name}`, every * 1000, () => {
      offer(input.report(now()));
      count(input);
    });
  };
  return { take, count, stop: timers.stop };
};

export interface LinkWatch {
  link(up: boolean): void;
  stop(): void;
}

/** While the homeserver cannot be reached nobody can switch anything off: outputs that ask for it go to their safe value after a while. */
export const createLinkWatch = (
  outputs: readonly OutputOptions[],
  context: DriverContext,
  makeSafe: (output: OutputOptions) => void,
): LinkWatch => {
  const timers = createNamedTimers(context);
  const lost = (output: OutputOptions): void => {
    if (output.safe_on !== "link_lost" || timers.has(output.name)) return;
    timers.set(output.name, output.link_lost_after_s * 1000, () => makeSafe(output));
  };
  return {
    stop: timers.stop,
    link: (up) => {
      if (up) timers.stop();
      else for (const output of outputs) lost(output);
    },
  };
};
