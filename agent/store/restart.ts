// When the WAL is restarted, and what waits for it. The decision is policy.ts, the work is the worker's; here is the state between the two:
// none on its way, one waiting for a quiet moment, or one running.
import type { Clock, Timers } from "#drivers/driver.ts";
import type { CheckpointRun } from "./checkpoint.ts";
import { runCheckpoint } from "./checkpoint.ts";
import { asStoreError } from "./errors.ts";
import type { Failure } from "./failure.ts";
import { CHECKPOINT_RETRY_MS, LOOK_COMMITS } from "./limits.ts";
import { type CheckpointPolicy, decideCheckpoint } from "./policy.ts";
import type { GroupSync } from "./sync.ts";
import type { TransactionQueue } from "./transactions.ts";

export interface RestartOptions {
  readonly run: Omit<CheckpointRun, "restart" | "onReady">;
  readonly policy: CheckpointPolicy;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly failure: Failure;
  readonly queue: TransactionQueue;
  readonly sync: GroupSync;
  /** The WAL's size now; throws a StoreError when it was deleted. */
  readonly walBytes: () => number;
}

export interface Restarts {
  /** After each commit. */
  committed(): void;
  /** After each sync, which finds the size anyway. */
  synced(walBytes: number): void;
  /** Waits for a restart on its way, then copies everything into the database and leaves an empty WAL. */
  finish(): Promise<void>;
}

export const createRestarts = (options: RestartOptions): Restarts => {
  const { clock, failure, policy, queue, sync, timers } = options;
  let running: Promise<void> | null = null;
  let cancelLook: (() => void) | null = null;
  let lastCommitMs = clock.monoMs();
  let notBeforeMs = 0;
  let unseen = 0;

  const checkpoint = async (restart: boolean): Promise<void> => {
    let position = 0;
    const onReady = (): void => {
      queue.pause();
      position = sync.position;
    };
    const restarted = await runCheckpoint({ ...options.run, restart, onReady });
    // The checkpoint synced the log before it copied, and the database after: all of it is on the disk.
    if (restarted) sync.reached(position);
    else notBeforeMs = clock.monoMs() + CHECKPOINT_RETRY_MS;
  };
  const start = (): void => {
    running = checkpoint(true)
      .catch((error: unknown) => failure.fail(asStoreError(error, "checkpoint")))
      .finally(() => {
        running = null;
        if (failure.error === null) queue.resume();
      });
  };
  const look = (walBytes: number): void => {
    if (failure.error !== null) return;
    if (running !== null) {
      if (walBytes >= policy.maxBytes) queue.pause();
      return;
    }
    const now = clock.monoMs();
    const decision = decideCheckpoint(policy, { walBytes, quietMs: now - lastCommitMs });
    if (decision.kind === "now" && now >= notBeforeMs) start();
    if (decision.kind === "later") cancelLook ??= timers.after(decision.afterMs, lookAgain);
  };
  const measure = (): void => {
    try {
      look(options.walBytes());
    } catch (error) {
      failure.fail(asStoreError(error, "write-ahead log"));
    }
  };
  const lookAgain = (): void => {
    cancelLook = null;
    measure();
  };
  return {
    committed: () => {
      lastCommitMs = clock.monoMs();
      unseen += 1;
      if (unseen < LOOK_COMMITS) return;
      unseen = 0;
      measure();
    },
    synced: (walBytes) => {
      unseen = 0;
      look(walBytes);
    },
    finish: async () => {
      cancelLook?.();
      await running;
      cancelLook?.();
      if (failure.error === null) await checkpoint(false);
    },
  };
};
