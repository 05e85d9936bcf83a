// A store around a real one that fails at its Nth operation: what is above it must keep its word, whatever did not come back.
//
//   lost      the transaction was never made, and nothing is made after it           (a write that failed, a kill before the commit)
//   unheard   the transaction was made, but whoever asked for it never hears so      (a kill behind the commit)
//   unsynced  the Nth durable() fails, and nothing is made after it                  (a sync that failed, a kill before it)
//   busy      the transaction is refused once; the store goes on
import { type Store, StoreError } from "#agent/store/store.ts";

export type StoreFault = "lost" | "unheard" | "unsynced" | "busy";

export interface FaultyStore {
  readonly store: Store;
  /** Operations of the fault's kind so far. */
  readonly seen: () => number;
  /** The fault has happened. */
  readonly hit: () => boolean;
}

export const faultyStore = (real: Store, fault: StoreFault | null, nth: number): FaultyStore => {
  const failed = new AbortController();
  let transactions = 0;
  let syncs = 0;
  let hit = false;
  const fail = (): StoreError => {
    hit = true;
    const error = new StoreError("SYNC", "injected: the disk did not take the data");
    if (!failed.signal.aborted) failed.abort(error);
    return error;
  };
  const transaction: Store["transaction"] = async (work) => {
    if (failed.signal.aborted) throw fail();
    transactions += 1;
    const due = transactions === nth;
    if (due && fault === "busy") {
      hit = true;
      throw new StoreError("BUSY", "injected: too many transactions wait");
    }
    if (due && fault === "lost") throw fail();
    const result = await real.transaction(work);
    if (due && fault === "unheard") throw fail();
    return result;
  };
  const durable: Store["durable"] = async () => {
    if (failed.signal.aborted) throw fail();
    syncs += 1;
    if (fault === "unsynced" && syncs === nth) throw fail();
    await real.durable();
  };
  const store: Store = {
    transaction,
    durable,
    read: (work) => {
      if (failed.signal.aborted) throw fail();
      return real.read(work);
    },
    failed: failed.signal,
    vault: real.vault,
    close: () => real.close(),
  };
  return { store, seen: () => (fault === "unsynced" ? syncs : transactions), hit: () => hit };
};
