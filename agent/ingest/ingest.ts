// Drivers, run: made from the configuration, given what they may use, watched. What they hand up goes through the door into the journal.
// A driver that dies takes nothing with it: the agent and the other drivers go on, and the status message says what is wrong.
import type { DriverEntry } from "#agent/config/config.ts";
import type { Journal } from "#agent/journal/journal.ts";
import type { DriverView } from "#agent/rooms/status-card.ts";
import type { Log, Runtime, Timers } from "#agent/runtime.ts";
import type { Channels } from "#agent/telemetry/channels.ts";
import type { ClockState, StampedReading } from "#agent/telemetry/reading.ts";
import type { ClockEpoch } from "#agent/time/clock-watch.ts";
import type { Driver, DriverContext, DriverState, EmitResult, Reading, Receipt } from "#drivers/driver.ts";
import { admit, type DoorState, takeBack } from "./door.ts";
import type { FlushOf } from "./flush.ts";
import { LastValues } from "./last-values.ts";
import { DRIVER_START_MS, DRIVER_STOP_MS } from "./limits.ts";

export interface IngestContext {
  readonly runtime: Runtime;
  readonly journal: Journal;
  readonly channels: Channels;
  /** The stretch of the clock that we are in. */
  readonly epoch: () => ClockEpoch;
  /** How long readings may wait in memory; absent: not at all. */
  readonly flush?: FlushOf;
  /** A driver's options with its secrets in place; throws what an operator can read. */
  readonly reveal: (options: unknown, driver: string) => unknown;
  /** Readings that are durable, or will be within their flush interval: for who follows along (the demo, `petrel tail` of the own device). */
  readonly onReadings?: (driver: string, readings: readonly Reading[]) => void;
  /** Who raises alarms on readings: told of each at the door, and of those that the journal refused. */
  readonly alarms?: {
    seen(reading: StampedReading): boolean;
    refused(readings: readonly StampedReading[], clock: ClockState): Promise<void>;
  };
}

interface Running {
  readonly driver: Driver;
  state: DriverState;
  detail: string | undefined;
  readonly counters: Map<string, number>;
  /** Readings that are durable, or will be within their flush interval. */
  accepted: number;
}

const scoped = (log: Log, driver: string): Log => ({
  debug: (fields, message) => log.debug({ driver, ...fields }, message),
  info: (fields, message) => log.info({ driver, ...fields }, message),
  warn: (fields, message) => log.warn({ driver, ...fields }, message),
  error: (fields, message) => log.error({ driver, ...fields }, message),
});

/** What stands in for a driver that could not be made. */
const NO_DRIVER: Driver = { start: () => Promise.resolve(), stop: () => Promise.resolve() };

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Waits for `work`, but no longer than `limitMs`; tells whether it came to its end. What is left then goes on unwatched; it never rejects unseen. */
const within = async (timers: Timers, limitMs: number, work: Promise<void>): Promise<boolean> => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const cancel = timers.after(limitMs, () => resolve(false));
  try {
    return await Promise.race([work.then(() => true), promise]);
  } finally {
    cancel();
  }
};

const failed = (running: Running, log: Log, error: unknown): void => {
  running.state = "down";
  running.detail = messageOf(error);
  log.error({}, `the driver cannot run: ${messageOf(error)}`);
};

/** A driver that throws out of its timer is down; the process, and with it every other driver, goes on. */
const guarded = (timers: Timers, onError: (error: unknown) => void): Timers => ({
  after: (delayMs, callback) =>
    timers.after(delayMs, () => {
      try {
        callback();
      } catch (error) {
        onError(error);
      }
    }),
});

export class Ingest {
  readonly #context: IngestContext;
  readonly #drivers = new Map<string, Running>();
  readonly #door: DoorState;
  readonly values: LastValues;

  constructor(context: IngestContext) {
    this.#context = context;
    this.values = new LastValues(context.channels);
    this.#door = { lastIn: new Map(), urgent: (reading) => context.alarms?.seen(reading) ?? false };
  }

  async start(entries: ReadonlyMap<string, DriverEntry>): Promise<void> {
    await Promise.all([...entries].map(([name, entry]) => this.#startOne(name, entry)));
  }

  async stop(): Promise<void> {
    const { log, timers } = this.#context.runtime;
    const stops = [...this.#drivers].map(async ([name, { driver }]) => {
      try {
        if (!(await within(timers, DRIVER_STOP_MS, driver.stop())))
          log.warn({ driver: name }, `a driver did not stop within ${DRIVER_STOP_MS} ms and is left alone`);
      } catch (error) {
        log.warn({ driver: name, error: messageOf(error) }, "a driver did not stop cleanly");
      }
    });
    await Promise.all(stops);
  }

  driver(name: string): Driver | null {
    return this.#drivers.get(name)?.driver ?? null;
  }

  views(): DriverView[] {
    return [...this.#drivers].map(([name, { state, detail }]) => ({
      name,
      state,
      ...(detail === undefined ? {} : { detail }),
    }));
  }

  counters(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return Object.fromEntries(
      [...this.#drivers].map(([name, { counters }]) => [name, Object.fromEntries(counters)]),
    );
  }

  /** Readings accepted since the start, by driver. */
  accepted(): (readonly [string, number])[] {
    return [...this.#drivers].map(([name, { accepted }]) => [name, accepted]);
  }

  link(up: boolean): void {
    for (const { driver } of this.#drivers.values()) driver.link?.(up);
  }

  async #startOne(name: string, { kind, options }: DriverEntry): Promise<void> {
    const log = scoped(this.#context.runtime.log, name);
    const running: Running = {
      driver: NO_DRIVER,
      state: "starting",
      detail: undefined,
      counters: new Map(),
      accepted: 0,
    };
    this.#drivers.set(name, running);
    try {
      const driver = kind.create(
        name,
        this.#context.reveal(options, name),
        this.#driverContext(name, running, log),
      );
      this.#drivers.set(name, Object.assign(running, { driver }));
      if (!(await within(this.#context.runtime.timers, DRIVER_START_MS, driver.start())))
        log.warn({}, `the driver has not started within ${DRIVER_START_MS} ms; the agent goes on without it`);
    } catch (error) {
      failed(running, log, error);
    }
  }

  #driverContext(name: string, running: Running, log: Log): DriverContext {
    const { clock, random, timers } = this.#context.runtime;
    const count = (counter: string, by = 1): void => {
      running.counters.set(counter, (running.counters.get(counter) ?? 0) + by);
    };
    return {
      clock,
      timers: guarded(timers, (error) => failed(running, log, error)),
      random,
      log,
      count,
      state: (state, detail) => {
        // Why it is down, the driver has said itself, with what it will do about it.
        if (state !== running.state && state !== "down")
          log.info({ state }, detail ?? `the driver is ${state}`);
        running.state = state;
        running.detail = detail;
      },
      emit: (readings, receipt) => this.#emit(name, readings, receipt, count),
    };
  }

  async #emit(
    name: string,
    readings: readonly Reading[],
    receipt: Receipt | undefined,
    count: (counter: string) => void,
  ): Promise<EmitResult> {
    const { channels, flush, journal, onReadings, runtime } = this.#context;
    let faults = 0;
    const { clock, line } = this.#context.epoch();
    const now = { monoMs: runtime.clock.monoMs(), baseMs: line.baseMs };
    const admitted = admit(readings, channels, now, this.#door, (why) => {
      if (why !== "thinned") faults += 1;
      count(why);
    });
    // What the configuration thins out is not refused: its source is acknowledged like the rest.
    if (admitted.length === 0)
      return faults > 0
        ? { outcome: "refused", reason: "it holds no reading that can be kept" }
        : { outcome: "durable" };
    const result = await journal
      .append({
        driver: name,
        readings: admitted,
        clock,
        line,
        receipt,
        flushMs: flush?.(name, admitted) ?? 0,
      })
      .catch((error: unknown) => {
        takeBack(admitted, this.#door);
        throw error;
      });
    if (result.outcome === "refused") {
      takeBack(admitted, this.#door);
      await this.#context.alarms?.refused(admitted, clock);
    }
    if (result.outcome === "durable" || result.outcome === "accepted") {
      const running = this.#drivers.get(name);
      if (running !== undefined) running.accepted += admitted.length;
      this.values.take(admitted);
      onReadings?.(name, readings);
    }
    return result;
  }
}
