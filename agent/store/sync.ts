// The group sync (DESIGN 3): one asynchronous fdatasync of the WAL, on the thread pool, for all transactions that were committed before it began.
// Those that come meanwhile share the next one.
//
//   commit 1  commit 2            commit 3   commit 4
//      |---------|--[ fdatasync a ]--|----------|--[ fdatasync b ]
//   durable() of 1 and 2 resolves ---^  of 3 and 4 ---------------^
//
// A failed sync is final: the kernel may have dropped the pages that it could not write and say "done" to the next call, so it is never asked again.
import { fdatasync } from "node:fs";
import { asStoreError } from "./errors.ts";
import type { StoreError } from "./store.ts";
import type { Wal } from "./wal.ts";

interface Waiter {
  readonly target: number;
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
}

export interface GroupSync {
  /** One more commit stands in the WAL. */
  committed(): void;
  /** The number of commits so far. */
  readonly position: number;
  /** Everything up to `position` is on the disk by other means: a checkpoint. */
  reached(position: number): void;
  durable(): Promise<void>;
  /** Rejects all who wait; they and all who come later get this error. */
  fail(error: StoreError): void;
  /** Resolves when no sync is on its way, so that the descriptor can be closed. */
  idle(): Promise<void>;
}

export interface GroupSyncOptions {
  readonly wal: Wal;
  readonly onFailure: (error: StoreError) => void;
  /** While a sync is on its way: the moment for work of the main thread that nobody should wait for. */
  readonly onStarted: () => void;
  /** After each sync, before those who waited for it go on. */
  readonly onSynced: () => void;
}

export const createGroupSync = (options: GroupSyncOptions): GroupSync => {
  let position = 0;
  let synced = 0;
  let busy = false;
  let failure: StoreError | null = null;
  let waiting: Waiter[] = [];
  const idlers: (() => void)[] = [];

  const release = (): void => {
    const split = waiting.findIndex((waiter) => waiter.target > synced);
    const done = split === -1 ? waiting : waiting.slice(0, split);
    waiting = split === -1 ? [] : waiting.slice(split);
    for (const waiter of done) waiter.resolve();
  };
  const fail = (error: StoreError): void => {
    if (failure !== null) return;
    failure = error;
    const lost = waiting;
    waiting = [];
    for (const waiter of lost) waiter.reject(error);
    options.onFailure(error);
  };
  const finish = (began: number, error: Error | null): void => {
    busy = false;
    if (failure === null) {
      try {
        if (error !== null) throw error;
        options.wal.checkNamed();
        synced = Math.max(synced, began);
        release();
        options.onSynced();
      } catch (cause) {
        fail(asStoreError(cause, `sync of ${options.wal.path}`));
      }
    }
    start();
    if (!busy) for (const idler of idlers.splice(0)) idler();
  };
  const start = (): void => {
    if (busy || failure !== null || waiting.length === 0) return;
    busy = true;
    const began = position;
    fdatasync(options.wal.descriptor, (error) => finish(began, error));
    options.onStarted();
  };
  return {
    committed: () => {
      position += 1;
    },
    get position() {
      return position;
    },
    reached: (reached) => {
      if (failure !== null) return;
      synced = Math.max(synced, reached);
      release();
    },
    durable: () => {
      if (failure !== null) return Promise.reject(failure);
      if (synced >= position) return Promise.resolve();
      return new Promise((resolve, reject) => {
        waiting.push({ target: position, resolve, reject });
        start();
      });
    },
    fail,
    idle: () => (busy ? new Promise((resolve) => idlers.push(resolve)) : Promise.resolve()),
  };
};
