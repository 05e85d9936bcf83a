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

interface State {
  /** Commits so far, and how many of them are on the disk. */
  position: number;
  synced: number;
  busy: boolean;
  failure: StoreError | null;
  /** In the order of their targets. */
  waiting: Waiter[];
  readonly idlers: (() => void)[];
}

/** Tells those whose commits are on the disk. */
const release = (state: State): void => {
  const split = state.waiting.findIndex((waiter) => waiter.target > state.synced);
  const done = split === -1 ? state.waiting : state.waiting.slice(0, split);
  state.waiting = split === -1 ? [] : state.waiting.slice(split);
  for (const waiter of done) waiter.resolve();
};

const fail = (state: State, options: GroupSyncOptions, error: StoreError): void => {
  if (state.failure !== null) return;
  state.failure = error;
  const lost = state.waiting;
  state.waiting = [];
  for (const waiter of lost) waiter.reject(error);
  options.onFailure(error);
};

const start = (state: State, options: GroupSyncOptions): void => {
  if (state.busy || state.failure !== null || state.waiting.length === 0) return;
  state.busy = true;
  const began = state.position;
  fdatasync(options.wal.descriptor, (error) => finish(state, options, began, error));
  options.onStarted();
};

const finish = (state: State, options: GroupSyncOptions, began: number, error: Error | null): void => {
  state.busy = false;
  if (state.failure === null) {
    try {
      if (error !== null) throw error;
      options.wal.checkNamed();
      state.synced = Math.max(state.synced, began);
      release(state);
      options.onSynced();
    } catch (cause) {
      fail(state, options, asStoreError(cause, `sync of ${options.wal.path}`));
    }
  }
  start(state, options);
  if (!state.busy) for (const idler of state.idlers.splice(0)) idler();
};

export const createGroupSync = (options: GroupSyncOptions): GroupSync => {
  const state: State = { position: 0, synced: 0, busy: false, failure: null, waiting: [], idlers: [] };
  return {
    committed: () => {
      state.position += 1;
    },
    get position() {
      return state.position;
    },
    reached: (position) => {
      if (state.failure !== null) return;
      state.synced = Math.max(state.synced, position);
      release(state);
    },
    durable: () => {
      if (state.failure !== null) return Promise.reject(state.failure);
      if (state.synced >= state.position) return Promise.resolve();
      return new Promise((resolve, reject) => {
        state.waiting.push({ target: state.position, resolve, reject });
        start(state, options);
      });
    },
    fail: (error) => fail(state, options, error),
    idle: () => (state.busy ? new Promise((resolve) => void state.idlers.push(resolve)) : Promise.resolve()),
  };
};
