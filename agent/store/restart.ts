// When the WAL is restarted, and what waits for it. The decision is policy.ts, the work is the worker's; here is the state between the two:
// none on its way, one waiting for a quiet moment, or one running.
import type { Clock, Timers } from "#drivers/driver.ts";
import type { CheckpointRun } from "./checkpoint.ts";
import { runCheckpoint } from "./checkpoint.ts";
import { asStoreError } from "./errors.ts";
import type { Failure } from "./failure.ts";
import { CHECKPOINT_RETRY_MS, LOOK_COMMITS, WAL_KEPT_FACTOR } from "./limits.ts";
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

export const createRestarts = (options: RestartOptions): Restarts => {
  const { clock, failure, policy, queue, sync, timers, wal } = options;
  let running: Promise<void> | null = null;
  let cancelLook: (() => void) | null = null;
  let lastCommitMs = clock.monoMs();
  let notBeforeMs = 0;
  let unseen = 0;

  const checkpoint = async (mode: CheckpointRun["mode"]): Promise<void> => {
    let position = 0;
    const onReady = (): void => {
      queue.pause();
      position = sync.position;
    };
    const done = await runCheckpoint({ ...options.run, walIdentity: wal.identity, mode, onReady });
    // The checkpoint synced the log before it copied, and the database after: all of it is on the disk.
    if (done) sync.reached(position);
    // A reader may come between the copy and the first commit, which then goes behind the old frames: harmless, tried again later.
    wal.length();
    if (!done || wal.used() >= policy.forcedBytes) notBeforeMs = clock.monoMs() + CHECKPOINT_RETRY_MS;
  };
  const start = (): void => {
    const mode = wal.length() > policy.forcedBytes * WAL_KEPT_FACTOR ? "shrink" : "restart";
    running = checkpoint(mode)
      .catch((error: unknown) => failure.fail(asStoreError(error, "checkpoint")))
      .finally(() => {
        running = null;
        if (failure.error === null) queue.resume();
      });
  };
  const decide = (): void => {
    const walBytes = wal.used();
    if (running !== null) {
      if (walBytes >= policy.maxBytes) queue.pause();
      return;
    }
    const now = clock.monoMs();
    const decision = decideCheckpoint(policy, { walBytes, quietMs: now - lastCommitMs });
    if (decision.kind === "now" && now >= notBeforeMs) start();
    else wal.extend(walBytes, policy.forcedBytes);
    if (decision.kind === "later") cancelLook ??= timers.after(decision.afterMs, lookAgain);
  };
  const look = (): void => {
    unseen = 0;
    if (failure.error !== null) return;
    try {
      decide();
    } catch (error) {
      failure.fail(asStoreError(error, "write-ahead log"));
    }
  };
  const lookAgain = (): void => {
    cancelLook = null;
    look();
  };
  return {
    committed: () => {
      lastCommitMs = clock.monoMs();
      unseen += 1;
      if (unseen >= LOOK_COMMITS) look();
    },
    look,
    finish: async () => {
      cancelLook?.();
      await running;
      cancelLook?.();
      if (failure.error === null) await checkpoint("finish");
    },
  };
};
