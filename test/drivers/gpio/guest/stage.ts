// A driver with the real clock and real timers, its readings recorded; for scripts that run in the guest.
import type { Driver, DriverContext, Reading } from "#drivers/driver.ts";
import { gpio } from "#drivers/gpio.ts";
import { monoMs } from "./chip.ts";

export interface Stage {
  readonly driver: Driver;
  readonly readings: Reading[];
  readonly states: { readonly state: string; readonly detail: string | undefined }[];
  readonly counts: Map<string, number>;
  of(name: string): Reading[];
}

export const contextFor = (stage: Omit<Stage, "driver">, say: (line: string) => void): DriverContext => {
  const log = (fields: Readonly<Record<string, unknown>>, message: string): void =>
    say(`log ${message} ${JSON.stringify(fields)}`);
  return {
    emit: (readings) => {
      stage.readings.push(...readings);
      return Promise.resolve({ outcome: "durable" });
    },
    clock: { wallMs: Date.now, monoMs },
    timers: {
      after: (delayMs, callback) => {
        const timer = setTimeout(callback, delayMs);
        return () => clearTimeout(timer);
      },
    },
    random: (length) => new Uint8Array(length),
    log: { debug: () => undefined, info: log, warn: log, error: log },
    state: (state, detail) => {
      stage.states.push({ state, detail });
      say(`state ${state} ${detail ?? ""}`);
    },
    count: (counter, by = 1) => void stage.counts.set(counter, (stage.counts.get(counter) ?? 0) + by),
  };
};

export const createStage = (options: Record<string, unknown>, say: (line: string) => void): Stage => {
  const record = {
    readings: [] as Reading[],
    states: [] as { state: string; detail: string | undefined }[],
    counts: new Map<string, number>(),
    of: (name: string): Reading[] => record.readings.filter((reading) => reading.name === name),
  };
  return { ...record, driver: gpio.create("pins", gpio.schema.parse(options), contextFor(record, say)) };
};

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for a condition; false when it does not come about. */
export const until = async (condition: () => boolean, limitMs = 20_000): Promise<boolean> => {
  const end = monoMs() + limitMs;
  while (!condition()) {
    if (monoMs() > end) return false;
    await pause(5);
  }
  return true;
};
