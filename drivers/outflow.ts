// The way from a source that cannot wait to `emit`: a bounded queue of readings, a few batches in flight, and a count of what had to be dropped.
// Used by drivers whose source does not listen to an acknowledgement (serial lines, datagrams, pins, sampled values).
//
//   offer(readings) --> [waiting, at most WAITING_BYTES_MAX] --> emit, at most EMITS_IN_FLIGHT_MAX at once, in order
//
// What is offered at once is emitted at once, so it is committed early and a killed process loses little; only while all places in flight are
// taken do offers pile up and leave together. When the queue is full the newest are dropped: what came first is already promised a place.
import type { DriverContext, Reading } from "./driver.ts";
import { BATCH_READINGS_MAX, EMITS_IN_FLIGHT_MAX, STOP_DRAIN_MS, WAITING_BYTES_MAX } from "./limits.ts";

export interface OutflowLimits {
  readonly waitingBytesMax: number;
  readonly emitsInFlightMax: number;
  readonly batchReadingsMax: number;
  readonly stopDrainMs: number;
}

const LIMITS: OutflowLimits = {
  waitingBytesMax: WAITING_BYTES_MAX,
  emitsInFlightMax: EMITS_IN_FLIGHT_MAX,
  batchReadingsMax: BATCH_READINGS_MAX,
  stopDrainMs: STOP_DRAIN_MS,
};

export interface Outflow {
  /** Takes readings for `emit`. False: there was no room for some, they are counted under `dropped`. Never throws, never waits. */
  offer(readings: readonly Reading[]): boolean;
  /** Estimated bytes that wait or are in flight. */
  waitingBytes(): number;
  /** Called whenever the queue gets shorter, for sources that can be paused. */
  onRoom(listener: () => void): void;
  /** Emits what waits, for `stopDrainMs` at most; afterwards nothing is emitted any more. Idempotent. */
  stop(): Promise<void>;
}

/** What an object, its name's reference and three numbers cost in V8, roughly. */
const READING_OVERHEAD_BYTES = 72;

const valueBytes = ({ value }: Reading): number => {
  if (typeof value === "string") return value.length * 2;
  return value instanceof Uint8Array ? value.length : 8;
};

/** An estimate of the memory that a waiting reading takes. */
export const readingBytes = (reading: Reading): number =>
  READING_OVERHEAD_BYTES + reading.name.length + valueBytes(reading);

const bytesOf = (readings: readonly Reading[]): number =>
  readings.reduce((sum, reading) => sum + readingBytes(reading), 0);

interface Queue {
  waiting: Reading[];
  waitingBytes: number;
  inFlight: number;
  inFlightBytes: number;
  stopped: boolean;
}

type EmitContext = Pick<DriverContext, "emit" | "count" | "log" | "timers">;

// A refusal is not repeated: the agent has said that it will not take these. It is counted, and the reason is in the log.
const emitBatch = async (context: EmitContext, batch: readonly Reading[]): Promise<void> => {
  try {
    const result = await context.emit(batch);
    if (result.outcome !== "refused") return;
    context.count("refused", batch.length);
    context.log.warn({ readings: batch.length, reason: result.reason }, "readings refused");
  } catch (error) {
    context.count("refused", batch.length);
    context.log.error({ readings: batch.length, error }, "readings could not be handed on");
  }
};

const takeFitting = (queue: Queue, readings: readonly Reading[], roomBytes: number): number => {
  let taken = 0;
  let bytes = 0;
  for (const reading of readings) {
    const more = readingBytes(reading);
    if (bytes + more > roomBytes) break;
    queue.waiting.push(reading);
    bytes += more;
    taken += 1;
  }
  queue.waitingBytes += bytes;
  return taken;
};

/** Resolves when `idle` holds or after `limitMs`, whichever comes first. */
const settled = (
  context: EmitContext,
  limitMs: number,
  whenIdle: (done: () => void) => void,
): Promise<void> =>
  new Promise((resolve) => {
    const cancel = context.timers.after(limitMs, resolve);
    whenIdle(() => {
      cancel();
      resolve();
    });
  });

const giveUp = (queue: Queue, context: EmitContext): void => {
  queue.stopped = true;
  if (queue.waiting.length > 0) context.count("dropped", queue.waiting.length);
  queue.waiting = [];
  queue.waitingBytes = 0;
};

export const createOutflow = (context: EmitContext, limits: Partial<OutflowLimits> = {}): Outflow => {
  const { waitingBytesMax, emitsInFlightMax, batchReadingsMax, stopDrainMs } = { ...LIMITS, ...limits };
  const queue: Queue = { waiting: [], waitingBytes: 0, inFlight: 0, inFlightBytes: 0, stopped: false };
  const roomListeners: (() => void)[] = [];
  const idleListeners: (() => void)[] = [];
  const usedBytes = (): number => queue.waitingBytes + queue.inFlightBytes;

  const landed = (bytes: number): void => {
    queue.inFlight -= 1;
    queue.inFlightBytes -= bytes;
    pump();
    for (const listener of roomListeners) listener();
    if (queue.inFlight === 0) for (const listener of idleListeners.splice(0)) listener();
  };

  const pump = (): void => {
    while (!queue.stopped && queue.waiting.length > 0 && queue.inFlight < emitsInFlightMax) {
      const batch = queue.waiting.splice(0, batchReadingsMax);
      const bytes = bytesOf(batch);
      queue.waitingBytes -= bytes;
      queue.inFlightBytes += bytes;
      queue.inFlight += 1;
      void emitBatch(context, batch).then(() => landed(bytes));
    }
  };

  const offer = (readings: readonly Reading[]): boolean => {
    const taken = queue.stopped ? 0 : takeFitting(queue, readings, waitingBytesMax - usedBytes());
    pump();
    if (taken === readings.length) return true;
    context.count("dropped", readings.length - taken);
    return false;
  };

  const stop = async (): Promise<void> => {
    if (queue.stopped) return;
    if (queue.inFlight > 0)
      await settled(context, stopDrainMs, (done) => {
        idleListeners.push(done);
      });
    giveUp(queue, context);
  };

  return { offer, stop, waitingBytes: usedBytes, onRoom: (listener) => void roomListeners.push(listener) };
};
