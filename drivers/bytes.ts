// Joins a byte source and a framing to a driver: the one place where the two meet.
//
//   source --chunk--> framing --payload--> mapping --readings--> outflow --> emit
//   source <--bytes-- framing <--payload-- write()
//
// The source never waits for `emit`: readings queue up in the outflow (bounded). A source that can wait is paused while the queue is half full,
// from any other the newest readings are dropped, and counted. All readings of one chunk carry the time of its arrival and go to `emit` together.
import type { ZodType } from "zod";
import { createDiscardReporter, type Discard } from "./discards.ts";
import { type Driver, type DriverContext, DriverError, type DriverKind, type Reading } from "./driver.ts";
import type { Frame, Framing } from "./framing/framing.ts";
import { createFraming, type FramingOptions, framingSchema } from "./framing/kinds.ts";
import { QUIET_START_MS, WAITING_BYTES_MAX, WRITE_TIMEOUT_MS, WRITES_WAITING_MAX } from "./limits.ts";
import { compileMapping, type Mapper, type MappingOptions, readingsSchema, timeSchema } from "./mapping.ts";
import { createOutflow, type Outflow } from "./outflow.ts";
import type { Payload } from "./payload.ts";
import { createReconnector, type Reconnector } from "./reconnect.ts";
import type { ByteSource, SourceEvents } from "./source/source.ts";

/** The options that every driver of bytes has beside those of its source. */
export interface BytesOptions extends MappingOptions {
  readonly framing: FramingOptions;
}

/** Their schemas, to be spread into a driver's own. */
export const bytesShape: {
  framing: ZodType<FramingOptions>;
  readings: typeof readingsSchema;
  time: typeof timeSchema;
} = { framing: framingSchema, readings: readingsSchema, time: timeSchema };

const LEVELS: Readonly<Record<string, Discard["level"]>> = { unmatched: "debug", partial: "info" };

const DETAILS: Readonly<Record<string, string>> = {
  partial: "a message without its beginning or end was discarded",
  malformed: "a message that cannot be read was discarded",
  overlong: "a message without an end was discarded",
  unmatched: "a message that nothing is wanted of was passed over",
};

/** Turns frames into readings and reports what is none. */
const createReader = (mapper: Mapper, context: DriverContext): ((frames: readonly Frame[]) => Reading[]) => {
  const report = createDiscardReporter(context);

  const mapped = (payload: Payload, monoMs: number): readonly Reading[] => {
    const { readings, problems } = mapper(payload, { monoMs });
    for (const { counter, message } of problems)
      report({ counter, message, level: LEVELS[counter] ?? "warn" });
    return readings;
  };

  const discard = (frame: Extract<Frame, { kind: "discarded" }>): void => {
    if (frame.reason === "blank") return;
    context.count("discarded_bytes", frame.bytes);
    if (frame.continued) return;
    report({
      counter: frame.reason,
      message: frame.detail ?? DETAILS[frame.reason] ?? frame.reason,
      sample: frame.sample,
      level: LEVELS[frame.reason] ?? "warn",
    });
  };

  return (frames) => {
    const monoMs = context.clock.monoMs();
    const readings: Reading[] = [];
    for (const frame of frames) {
      if (frame.kind === "payload") readings.push(...mapped(frame.payload, monoMs));
      else discard(frame);
    }
    return readings;
  };
};

/** Bytes that come at once after opening a line in mid-stream belong to a message whose beginning may be lost; after a silence they do not. */
const createStartGuard = (
  source: ByteSource,
  framing: Framing,
  context: DriverContext,
): { opened(): void; first(): void } => {
  let openedMs: number | null = null;
  return {
    opened: () => {
      openedMs = source.midStream ? context.clock.monoMs() : null;
    },
    first: () => {
      if (openedMs !== null && context.clock.monoMs() - openedMs < QUIET_START_MS) framing.resync();
      openedMs = null;
    },
  };
};

/** Pauses a source that can wait while half of the queue is taken, and lets it go on at a quarter. */
const createBrake = (source: ByteSource, outflow: Outflow): { check(): void; opened(): void } => {
  let braking = false;
  outflow.onRoom(() => {
    if (!braking || outflow.waitingBytes() > WAITING_BYTES_MAX / 4) return;
    braking = false;
    source.resume?.();
  });
  return {
    check: () => {
      if (braking || source.pause === undefined || outflow.waitingBytes() < WAITING_BYTES_MAX / 2) return;
      braking = true;
      source.pause();
    },
    // A new connection does not know that the old one was to wait.
    opened: () => {
      if (braking) source.pause?.();
    },
  };
};

interface Parts {
  readonly source: ByteSource;
  readonly framing: Framing;
  readonly mapper: Mapper;
  readonly outflow: Outflow;
}

/** What happens to the bytes of a source. `keeper` is asked for when the source ends, which is after this function has returned. */
const createEvents = (parts: Parts, context: DriverContext, keeper: () => Reconnector) => {
  const { source, framing, outflow } = parts;
  const read = createReader(parts.mapper, context);
  const guard = createStartGuard(source, framing, context);
  const brake = createBrake(source, outflow);
  const take = (frames: readonly Frame[]): void => {
    const readings = read(frames);
    if (readings.length > 0) outflow.offer(readings);
    brake.check();
  };
  const events: SourceEvents = {
    data: (chunk) => {
      guard.first();
      take(framing.push(chunk));
    },
    boundary: (whole) => take(framing.flush(whole)),
    preroll: (chunk) => void framing.push(chunk),
    closed: (reason) => {
      take(framing.flush(false));
      if (reason === null) keeper().ended(`${source.place} was read to its end`);
      else keeper().lost(reason);
    },
  };
  const opened = (): void => {
    guard.opened();
    brake.opened();
  };
  return { events, opened };
};

const timeLimited = (work: Promise<void>, place: string, context: DriverContext): Promise<void> =>
  new Promise((resolve, reject) => {
    const cancel = context.timers.after(WRITE_TIMEOUT_MS, () =>
      reject(
        new DriverError(
          "TIMEOUT",
          `${place}: the device did not take the data within ${WRITE_TIMEOUT_MS / 1000} s (flow control?); it may still take it later`,
        ),
      ),
    );
    work.finally(cancel).then(resolve, reject);
  });

/** Writes one after the other, each with a time limit, and refuses what would queue up endlessly. */
const createWriter = (parts: Parts, context: DriverContext, isOpen: () => boolean) => {
  const { source, framing } = parts;
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  const send = async (bytes: Uint8Array): Promise<void> => {
    if (source.write === undefined || !isOpen())
      throw new DriverError("CLOSED", `${source.place}: not open; what was to be sent is not sent`);
    await timeLimited(source.write(bytes), source.place, context);
  };
  return async (payload: Uint8Array): Promise<void> => {
    const bytes = framing.encode(payload);
    if (!isOpen())
      throw new DriverError("CLOSED", `${source.place}: not open; what was to be sent is not sent`);
    if (waiting >= WRITES_WAITING_MAX)
      throw new DriverError("BUSY", `${source.place}: ${waiting} writes wait already; send less, or slower`);
    waiting += 1;
    const mine = last.then(() => send(bytes));
    last = mine.catch(() => undefined);
    await mine.finally(() => {
      waiting -= 1;
    });
  };
};

/** A driver from a source, a framing and a mapping. */
export const createBytesDriver = (
  source: ByteSource,
  framing: Framing,
  mapper: Mapper,
  context: DriverContext,
): Driver => {
  const parts: Parts = { source, framing, mapper, outflow: createOutflow(context) };
  const { events, opened } = createEvents(parts, context, () => keeper);
  const keeper: Reconnector = createReconnector(
    source.place,
    {
      open: async () => {
        await source.open(events);
        opened();
      },
      close: () => source.close(),
    },
    context,
  );
  let stopping: Promise<void> | null = null;
  const stop = async (): Promise<void> => {
    await keeper.stop();
    await parts.outflow.stop();
  };
  const write = createWriter(parts, context, () => keeper.isOpen());
  return {
    start: async () => {
      await source.prepare?.();
      if (stopping === null) keeper.start();
    },
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
    ...(source.write === undefined ? {} : { write: ({ payload }) => write(payload) }),
  };
};

/** A `DriverKind` from the schema of its options and the source that it makes of them. */
export const bytesKind = <Options extends BytesOptions>(
  kind: string,
  schema: ZodType<Options>,
  createSource: (options: Options, context: DriverContext) => ByteSource,
): DriverKind<Options> => ({
  kind,
  schema,
  create: (name, options, context) =>
    createBytesDriver(
      createSource(options, context),
      createFraming(options.framing),
      compileMapping(options, name),
      context,
    ),
});
