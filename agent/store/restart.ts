// When the WAL is restarted, and what waits for it. The decision is policy.ts, the work is the worker's; here is the state between the two:
// none on its way, one waiting for a quiet moment, or one running.
import type { Clock, Timers } from "#drivers/driver.ts";
import type { CheckpointRun } from "./checkpoint.ts";
import { runCheckpoint } from "./checkpoint.ts";
import { asStoreError } from "./errors.ts";
import type { Failure } from "./failure.ts";
import {
  CHECKPOINT_RETRY_MS,
  LOOK_COMMITS,
  WAL_AHEAD_BYTES_PER_S,
  WAL_KEPT_FACTOR,
  WAL_SPEED_MS,
} from "./limits.ts";
import { type CheckpointPolicy, decideCheckpoint } from "./policy.ts";
import type { GroupSync } from "./sync.ts";
import type { TransactionQueue } from "./transactions.ts";
import type { Wal } from "./wal.ts";

export interface RestartOptions {
  readonly run: Pick<CheckpointRun, "path" | "source">;
  readonly policy: CheckpointPolicy;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly failure: Failure;
  readonly queue: TransactionQueue;
  readonly sync: GroupSync;
  readonly wal: Wal;
}

export interface Restarts {
  /** After each commit. */
  committed(): void;
  /** Looks at the WAL's size: during each sync, and after some commits where nobody asks for one. */
  look(): void;
  /** Waits for a restart on its way, then copies everything into the database and leaves an empty WAL. */
  finish(): Promise<void>;
}

interface State {
  /** A restart on its way. */
  running: Promise<void> | null;
  /** Ends the wait for a quiet moment. */
  cancelLook: (() => void) | null;
  lastCommitMs: number;
  /** After a restart that a reader prevented: not again before this. */
  notBeforeMs: number;
  isFast: boolean;
  /** The log when its speed was last measured. */
  seen: { readonly bytes: number; readonly ms: number };
  /** Commits since the last look. */
  unseen: number;
  /** The store closes: whoever still waits for a sync must not begin a restart beside the last checkpoint. */
  finishing: boolean;
}

const checkpoint = async (
  state: State,
  options: RestartOptions,
  mode: CheckpointRun["mode"],
): Promise<void> => {
  const { clock, policy, queue, sync, wal } = options;
  let position = 0;
  const onReady = (): void => {
    queue.pause();
    position = sync.position;
  };
  const done = await runCheckpoint({ ...options.run, walIdentity: wal.identity, mode, onReady });
  // The checkpoint synced the log before it copied, and the database after: all of it is on the disk.
  if (done) sync.reached(position);
  wal.length();
  // A reader may come between the copy and the first commit, which then goes behind the old frames: harmless, tried again later.
  if (!done || wal.used() >= policy.forcedBytes) state.notBeforeMs = clock.monoMs() + CHECKPOINT_RETRY_MS;
};

const start = (state: State, options: RestartOptions): void => {
  const { failure, policy, queue, wal } = options;
  const mode = wal.length() > policy.forcedBytes * WAL_KEPT_FACTOR ? "shrink" : "restart";
  state.running = checkpoint(state, options, mode)
    .catch((error: unknown) => failure.fail(asStoreError(error, "checkpoint")))
    .finally(() => {
      state.running = null;
      if (failure.error === null) queue.resume();
    });
};

/** Whether the log grows so fast that longer syncs would be felt. Where it does not, zeros ahead of it would be written for nothing. */
const isFast = (state: State, walBytes: number, now: number): boolean => {
  const ms = now - state.seen.ms;
  if (ms >= WAL_SPEED_MS) {
    state.isFast = (walBytes - state.seen.bytes) * 1000 >= WAL_AHEAD_BYTES_PER_S * ms;
    state.seen = { bytes: walBytes, ms: now };
  }
  return state.isFast;
};

const decide = (state: State, options: RestartOptions): void => {
  const { clock, policy, queue, timers, wal } = options;
  const walBytes = wal.used();
  if (state.running !== null) {
    if (walBytes >= policy.maxBytes) queue.pause();
    return;
  }
  const now = clock.monoMs();
  const decision = decideCheckpoint(policy, { walBytes, quietMs: now - state.lastCommitMs });
  if (decision.kind === "now" && now >= state.notBeforeMs) {
    start(state, options);
    return;
  }
  if (isFast(state, walBytes, now)) wal.extend(walBytes, policy.forcedBytes);
  if (decision.kind !== "later") return;
  state.cancelLook ??= timers.after(decision.afterMs, () => {
    state.cancelLook = null;
    look(state, options);
  });
};

const look = (state: State, options: RestartOptions): void => {
  state.unseen = 0;
  if (options.failure.error !== null || state.finishing) return;
  try {
    decide(state, options);
  } catch (error) {
    options.failure.fail(asStoreError(error, "write-ahead log"));
  }
};

export const createRestarts = (options: RestartOptions): Restarts => {
  const { clock, failure } = options;
  const state: State = {
    running: null,
    cancelLook: null,
    lastCommitMs: clock.monoMs(),
    notBeforeMs: 0,
    unseen: 0,
    isFast: false,
    seen: { bytes: 0, ms: clock.monoMs() },
    finishing: false,
  };
  return {
    committed: () => {
      state.lastCommitMs = clock.monoMs();
      state.unseen += 1;
      if (state.unseen >= LOOK_COMMITS) look(state, options);
    },
    look: () => look(state, options),
    finish: async () => {
      state.finishing = true;
      await state.running;
      state.cancelLook?.();
      if (failure.error === null) await checkpoint(state, options, "finish");
    },
  };
};
