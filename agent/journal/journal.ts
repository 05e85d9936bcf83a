// The journal: readings that were accepted and not yet packed into events. `append` settles when they are durable or refused.
//
// Group commit: while one transaction syncs, what comes meanwhile waits and goes into the next one, as one chunk. So 32 sources that each wait
// for their reading share one sync, and one source alone pays one sync a reading.
import type { Store } from "#agent/store/store.ts";
import type { EmitResult } from "#drivers/driver.ts";
import {
  type Delivery,
  type JournalPolicy,
  type Ledger,
  loadLedger,
  roughBytes,
  writeDeliveries,
} from "./ledger.ts";
import { PENDING_READINGS_MAX } from "./limits.ts";
import type { Boot } from "./stream.ts";

export interface JournalDepth {
  readonly readings: number;
  readonly bytes: number;
  /** Readings dropped or rejected for want of room since the start of the process. */
  readonly lost: number;
}

export interface Journal {
  append(delivery: Delivery): Promise<EmitResult>;
  depth(): JournalDepth;
  /** The packer took these out, in a transaction that is committed. */
  taken(readings: number, bytes: number): void;
  /** Calls `listener` each time readings were committed (not yet durable). */
  onAppended(listener: () => void): void;
}

interface Pending {
  readonly delivery: Delivery;
  readonly settle: (result: EmitResult) => void;
  readonly fail: (error: unknown) => void;
}

const refusalOf = (
  delivery: Delivery,
  ledger: Ledger,
  policy: JournalPolicy,
  pendingReadings: number,
): string | null => {
  if (pendingReadings + delivery.readings.length > PENDING_READINGS_MAX)
    return `more than ${PENDING_READINGS_MAX} readings wait for the disk`;
  if (policy.whenFull === "reject" && ledger.bytes + roughBytes(delivery.readings) > policy.bytesMax)
    return `the journal is full: ${policy.bytesMax} bytes wait, and delivery.journal.when_full is "reject"`;
  return null;
};

/** Collects what comes while a commit is under way. `commit` gets everything collected and resolves with one result each. */
const groupCommit = (commit: (batch: readonly Delivery[]) => Promise<readonly EmitResult[]>) => {
  let pending: Pending[] = [];
  let running = false;
  const once = async (): Promise<void> => {
    const batch = pending;
    pending = [];
    try {
      const results = await commit(batch.map(({ delivery }) => delivery));
      for (const [index, { settle }] of batch.entries()) settle(results[index] ?? { outcome: "durable" });
    } catch (error) {
      for (const { fail } of batch) fail(error);
    }
  };
  const run = async (): Promise<void> => {
    if (running) return;
    running = true;
    while (pending.length > 0) await once();
    running = false;
  };
  return {
    readings: (): number => pending.reduce((sum, { delivery }) => sum + delivery.readings.length, 0),
    add: (delivery: Delivery): Promise<EmitResult> =>
      new Promise((settle, fail) => {
        pending.push({ delivery, settle, fail });
        void run();
      }),
  };
};

/** Opens the journal for this boot. `newStreamName` is random and used if this store has not seen the boot yet. */
export const openJournal = async (
  store: Store,
  boot: Boot,
  newStreamName: string,
  policy: JournalPolicy,
): Promise<Journal> => {
  const ledger = await store.transaction((database) => loadLedger(database, boot, newStreamName));
  const listeners: (() => void)[] = [];

  const group = groupCommit(async (deliveries) => {
    const { results, changes } = await store.transaction((database) => {
      const { draft, results } = writeDeliveries(database, store.vault, ledger, policy, deliveries);
      return {
        results,
        changes: { readings: draft.readings - ledger.readings, bytes: draft.bytes - ledger.bytes, draft },
      };
    });
    // The packer may have taken readings out between the transaction and now: differences are added, not values set.
    ledger.nextSeq = changes.draft.nextSeq;
    ledger.lost = changes.draft.lost;
    ledger.readings += changes.readings;
    ledger.bytes += changes.bytes;
    // Told before the sync: whatever is made of the readings goes out only after a sync of its own, which covers this one.
    for (const listener of listeners) listener();
    await store.durable();
    return results;
  });

  return {
    append: (delivery) => {
      const reason = refusalOf(delivery, ledger, policy, group.readings());
      if (reason === null) return group.add(delivery);
      ledger.lost += delivery.readings.length;
      return Promise.resolve({ outcome: "refused", reason });
    },
    depth: () => ({ readings: ledger.readings, bytes: ledger.bytes, lost: ledger.lost }),
    taken: (readings, bytes) => {
      ledger.readings -= readings;
      ledger.bytes -= bytes;
    },
    onAppended: (listener) => {
      listeners.push(listener);
    },
  };
};
