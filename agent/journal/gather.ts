// What waits in memory for the next commit: for the one under way to end, or for its flush interval to pass.
//
//   each       the delivery is committed at once, with everything that waits; emit settles when it is on the disk
//   interval   it waits for others. A source that will not send it again loses what it gave within the interval if the power goes, and is answered at
//              once; one that waits for an acknowledgement (its delivery has a receipt) is answered when it is on the disk, as ever
//
// One commit takes all that waits, in the order in which it came.
import type { Clock, Timers } from "#agent/runtime.ts";
import type { EmitResult } from "#drivers/driver.ts";
import { type Delivery, roughBytes } from "./ledger.ts";
import { GATHERED_BYTES_MAX, GATHERED_READINGS_MAX, RECEIPTS_WAITING_MAX } from "./limits.ts";

/** What waits. */
export interface Backlog {
  readonly readings: number;
  /** Rough. */
  readonly bytes: number;
}

export interface Gathering {
  add(delivery: Delivery): Promise<EmitResult>;
  waiting(): Backlog;
  /** Commits what waits; resolves when that is done. */
  flush(): Promise<void>;
}

export interface GatherOptions {
  readonly clock: Pick<Clock, "monoMs">;
  readonly timers: Timers;
  /** Gets everything gathered; resolves with one result each, once durable. */
  readonly commit: (batch: readonly Delivery[]) => Promise<readonly EmitResult[]>;
  /** A delivery whose source was already answered could not be stored. */
  readonly lost: (delivery: Delivery, error: unknown) => void;
}

interface Pending {
  readonly delivery: Delivery;
  readonly settle: (result: EmitResult) => void;
  readonly fail: (error: unknown) => void;
}

interface State {
  pending: Pending[];
  readings: number;
  bytes: number;
  /** When the first of them is due. */
  dueMono: number;
  readonly receipts: Map<string, number>;
  timer: { readonly dueMono: number; readonly cancel: () => void } | null;
  running: Promise<void> | null;
}

const mayWait = ({ flushMs = 0 }: Delivery): boolean => flushMs > 0;

/** Its source will not send it again: it is answered when it is in memory. */
const isAnsweredEarly = (delivery: Delivery): boolean => mayWait(delivery) && delivery.receipt === undefined;

const takeAll = (state: State): readonly Pending[] => {
  const batch = state.pending;
  state.timer?.cancel();
  Object.assign(state, { pending: [], readings: 0, bytes: 0, dueMono: Infinity, timer: null });
  state.receipts.clear();
  return batch;
};

const commitAll = async (state: State, { commit }: GatherOptions): Promise<void> => {
  const batch = takeAll(state);
  try {
    const results = await commit(batch.map(({ delivery }) => delivery));
    for (const [index, { settle }] of batch.entries()) settle(results[index] ?? { outcome: "durable" });
  } catch (error) {
    for (const { fail } of batch) fail(error);
  }
};

/** Beyond these bounds waiting longer saves little and costs memory, or keeps a broker from sending on. */
const isEnough = (state: State, driver: string): boolean =>
  state.readings >= GATHERED_READINGS_MAX ||
  state.bytes >= GATHERED_BYTES_MAX ||
  (state.receipts.get(driver) ?? 0) >= RECEIPTS_WAITING_MAX;

const enqueue = (
  state: State,
  delivery: Delivery,
  now: number,
  lost: GatherOptions["lost"],
): Promise<EmitResult> => {
  const { driver, flushMs = 0, readings, receipt } = delivery;
  state.readings += readings.length;
  state.bytes += roughBytes(readings);
  state.dueMono = Math.min(state.dueMono, now + flushMs);
  if (receipt !== undefined) state.receipts.set(driver, (state.receipts.get(driver) ?? 0) + 1);
  if (isAnsweredEarly(delivery)) {
    state.pending.push({ delivery, settle: () => undefined, fail: (error) => lost(delivery, error) });
    return Promise.resolve({ outcome: "accepted" });
  }
  return new Promise((settle, fail) => {
    state.pending.push({ delivery, settle, fail });
  });
};

export const createGathering = (options: GatherOptions): Gathering => {
  const { clock, timers } = options;
  const state: State = {
    pending: [],
    readings: 0,
    bytes: 0,
    dueMono: Infinity,
    receipts: new Map(),
    timer: null,
    running: null,
  };
  const loop = async (): Promise<void> => {
    while (state.pending.length > 0 && state.dueMono <= clock.monoMs()) await commitAll(state, options);
    state.running = null;
    arm();
  };
  const run = (): Promise<void> => {
    // Begun in a turn of its own: one that finds nothing due yet (a timer that fired early) must not end before it is noted.
    state.running ??= Promise.resolve().then(loop);
    return state.running;
  };
  const arm = (): void => {
    const { dueMono, pending, running, timer } = state;
    if (pending.length === 0 || running !== null || (timer !== null && timer.dueMono <= dueMono)) return;
    timer?.cancel();
    const cancel = timers.after(Math.max(1, dueMono - clock.monoMs()), () => {
      state.timer = null;
      void run();
    });
    state.timer = { dueMono, cancel };
  };
  return {
    waiting: () => ({ readings: state.readings, bytes: state.bytes }),
    add: (delivery) => {
      const result = enqueue(state, delivery, clock.monoMs(), options.lost);
      if (isEnough(state, delivery.driver)) state.dueMono = -Infinity;
      if (state.dueMono <= clock.monoMs()) void run();
      else arm();
      return result;
    },
    flush: async () => {
      while (state.pending.length > 0 || state.running !== null) {
        if (state.pending.length > 0) state.dueMono = -Infinity;
        await run();
      }
    },
  };
};
