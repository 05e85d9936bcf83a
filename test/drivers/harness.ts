// What a driver test hands to a driver in place of the agent: a context that records, a clock and timers that move only when told,
// and a switch that decides what becomes of emitted readings. The sources behind the drivers are real (sockets, ptys, files, brokers).
import { expect } from "vitest";
import type {
  DriverContext,
  DriverState,
  EmitResult,
  Log,
  Reading,
  Receipt,
  Timers,
} from "#drivers/driver.ts";

/** A batch as the agent would see it. */
export interface Emitted {
  readonly readings: readonly Reading[];
  readonly receipt: Receipt | null;
}

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** What `emit` answers: durable at once, refused, rejected (a broken agent), or only when `release` is called. */
export type EmitMode = "durable" | "refuse" | "throw" | "hold";

interface ManualTimer {
  readonly at: number;
  readonly delayMs: number;
  readonly callback: () => void;
}

export interface ManualTimers extends Timers {
  /** Moves the clock, firing what falls due on the way, in order. */
  advance(byMs: number): void;
  /** Delays of the timers that wait, as they were asked for. */
  pending(): number[];
  nowMs(): number;
}

/** Timers that fire only when the clock is moved. */
export const manualTimers = (startMs = 1_000): ManualTimers => {
  const waiting = new Set<ManualTimer>();
  let now = startMs;
  const due = (until: number): ManualTimer | undefined =>
    [...waiting].filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
  return {
    nowMs: () => now,
    pending: () => [...waiting].map((timer) => timer.delayMs),
    after(delayMs, callback) {
      const timer = { at: now + delayMs, delayMs, callback };
      waiting.add(timer);
      return () => void waiting.delete(timer);
    },
    advance(byMs) {
      const until = now + byMs;
      for (let timer = due(until); timer !== undefined; timer = due(until)) {
        waiting.delete(timer);
        now = Math.max(now, timer.at);
        timer.callback();
      }
      now = until;
    },
  };
};

export interface Harness {
  readonly context: DriverContext;
  readonly timers: ManualTimers;
  readonly emitted: Emitted[];
  readonly states: { readonly state: DriverState; readonly detail: string | undefined }[];
  readonly counts: Map<string, number>;
  readonly logs: LogLine[];
  emitMode: EmitMode;
  /** Every byte of `random` has this value, so that a test chooses the jitter. */
  randomByte: number;
  /** Settles everything held by the mode `hold`. */
  release(result?: EmitResult): void;
  readings(): Reading[];
  state(): DriverState | undefined;
  counted(counter: string): number;
}

const recordingLog = (logs: LogLine[]): Log => {
  const at =
    (level: LogLine["level"]) =>
    (fields: LogLine["fields"], message: string): void =>
      void logs.push({ level, fields, message });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
};

const WALL_START_MS = Date.parse("2026-11-24T12:00:00Z");

export const createHarness = (): Harness => {
  const timers = manualTimers();
  const logs: LogLine[] = [];
  const held: ((result: EmitResult) => void)[] = [];
  const answer = (mode: EmitMode): Promise<EmitResult> => {
    if (mode === "throw") return Promise.reject(new Error("the agent is broken"));
    if (mode === "hold") return new Promise((resolve) => held.push(resolve));
    return Promise.resolve(
      mode === "durable" ? { outcome: "durable" } : { outcome: "refused", reason: "refused by the test" },
    );
  };
  const harness: Harness = {
    timers,
    emitted: [],
    states: [],
    counts: new Map(),
    logs,
    emitMode: "durable",
    randomByte: 128,
    release: (result = { outcome: "durable" }) => {
      for (const resolve of held.splice(0)) resolve(result);
    },
    readings: () => harness.emitted.flatMap((batch) => batch.readings),
    state: () => harness.states.at(-1)?.state,
    counted: (counter) => harness.counts.get(counter) ?? 0,
    context: {
      emit: (readings, receipt) => {
        harness.emitted.push({ readings: [...readings], receipt: receipt ?? null });
        return answer(harness.emitMode);
      },
      clock: { wallMs: () => WALL_START_MS + timers.nowMs(), monoMs: () => timers.nowMs() },
      timers,
      random: (length) => new Uint8Array(length).fill(harness.randomByte),
      log: recordingLog(logs),
      state: (state, detail) => void harness.states.push({ state, detail }),
      count: (counter, by = 1) => void harness.counts.set(counter, harness.counted(counter) + by),
    },
  };
  return harness;
};

const POLL_MS = 5;

/** Waits in real time for something that real I/O brings; fails with `what` when it does not come. */
export const until = async (condition: () => boolean, what: string, limitMs = 8_000): Promise<void> => {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) expect.fail(`waited ${limitMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};

/** The same for what needs the driver's own timers too (a reconnect): moves them by `stepMs` at every look. */
export const advanceUntil = (
  harness: Harness,
  condition: () => boolean,
  what: string,
  stepMs = 1_000,
): Promise<void> =>
  until(() => {
    if (condition()) return true;
    harness.timers.advance(stepMs);
    return condition();
  }, what);
