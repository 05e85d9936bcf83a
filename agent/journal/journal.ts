// The journal: readings that were accepted and not yet packed into events. `append` settles when they are durable or refused.
//
// Group commit: while one transaction syncs, what comes meanwhile waits and goes into the next one, as one chunk. So 32 sources that each wait
// for their reading share one sync, and one source alone pays one sync a reading.
import type { Store } from "#agent/store/store.ts";
import type { ClockLine, ClockState } from "#agent/telemetry/reading.ts";
import type { EmitResult } from "#drivers/driver.ts";
import { repairTimes } from "./epochs.ts";
import {
  type Delivery,
  type JournalPolicy,
  type Ledger,
  loadLedger,
  roughBytes,
  type Witness,
  writeDeliveries,
} from "./ledger.ts";
import { PENDING_BYTES_MAX, PENDING_READINGS_MAX } from "./limits.ts";
import type { Boot } from "./stream.ts";
import type { Taken } from "./take.ts";

export interface JournalDepth {
  readonly readings: number;
  readonly bytes: number;
  /** Readings dropped or refused for want of room, or found unreadable, since the start of the process. */
  readonly lost: number;
}

export interface Journal {
  append(delivery: Delivery): Promise<EmitResult>;
  depth(): JournalDepth;
  /** The clock is known now: what waits of this boot from before gets its times. Never rejects; the next chunk makes up for what it could not do. */
  clockKnown(clock: ClockState, line: ClockLine): Promise<void>;
  /** The packer took these out, in a transaction that is committed. */
  taken(taken: Pick<Taken, "readings" | "unreadable" | "bytesFreed">): void;
  /** Calls `listener` each time readings were committed (not yet durable). */
  onAppended(listener: () => void): void;
}

interface Pending {
  readonly delivery: Delivery;
  readonly settle: (result: EmitResult) => void;
  readonly fail: (error: unknown) => void;
}

/** What waits for the next commit. */
interface Backlog {
  readonly readings: number;
  /** Rough. */
  readonly bytes: number;
}

const refusalOf = (
  bytes: number,
  { readings }: Delivery,
  ledger: Ledger,
  policy: JournalPolicy,
  pending: Backlog,
): string | null => {
  if (pending.readings + readings.length > PENDING_READINGS_MAX || pending.bytes + bytes > PENDING_BYTES_MAX)
    return `${pending.readings} readings (${pending.bytes} bytes) wait for the disk already, more than can be held`;
  if (policy.whenFull === "reject" && ledger.bytes + pending.bytes + bytes > policy.bytesMax)
    return `the journal is full: ${policy.bytesMax} bytes wait, and delivery.journal.when_full is "reject"`;
  return null;
};

/** Collects what comes while a commit is under way. `commit` gets everything collected and resolves with one result each. */
const groupCommit = (commit: (batch: readonly Delivery[]) => Promise<readonly EmitResult[]>) => {
  let pending: Pending[] = [];
  let backlog: Backlog = { readings: 0, bytes: 0 };
  let running = false;
  const once = async (): Promise<void> => {
    const batch = pending;
    pending = [];
    backlog = { readings: 0, bytes: 0 };
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
    backlog: (): Backlog => backlog,
    add: (delivery: Delivery, bytes: number): Promise<EmitResult> =>
      new Promise((settle, fail) => {
        pending.push({ delivery, settle, fail });
        backlog = {
          readings: backlog.readings + delivery.readings.length,
          bytes: backlog.bytes + bytes,
        };
        void run();
      }),
  };
};

/** Opens the journal for this boot. `newStreamName` is random and used if this store has not seen the boot yet; `witness` is told of each transaction. */
export const openJournal = async (
  store: Store,
  boot: Boot,
  newStreamName: string,
  policy: JournalPolicy,
  witness?: Witness,
): Promise<Journal> => {
  const ledger = await store.transaction((database) => loadLedger(database, boot, newStreamName));
  const listeners: (() => void)[] = [];

  const group = groupCommit(async (deliveries) => {
    const { results, changes } = await store.transaction((database) => {
      const { draft, results, written } = writeDeliveries(database, store.vault, ledger, policy, deliveries);
      if (written.deliveries.length > 0) witness?.(database, written);
      const changes = {
        nextSeq: draft.nextSeq,
        readings: draft.readings - ledger.readings,
        bytes: draft.bytes - ledger.bytes,
        lost: draft.lost - ledger.lost,
      };
      return { results, changes };
    });
    // The packer may have taken readings out between the transaction and now, and more been refused: differences are added, not values set.
    ledger.nextSeq = changes.nextSeq;
    ledger.lost += changes.lost;
    ledger.readings += changes.readings;
    ledger.bytes += changes.bytes;
    // Told before the sync: whatever is made of the readings goes out only after a sync of its own, which covers this one.
    for (const listener of listeners) listener();
    await store.durable();
    return results;
  });

  return {
    append: (delivery) => {
      const bytes = roughBytes(delivery.readings);
      const reason = refusalOf(bytes, delivery, ledger, policy, group.backlog());
      if (reason === null) return group.add(delivery, bytes);
      ledger.lost += delivery.readings.length;
      return Promise.resolve({ outcome: "refused", reason });
    },
    depth: () => ({ readings: ledger.readings, bytes: ledger.bytes, lost: ledger.lost }),
    taken: ({ bytesFreed, readings, unreadable }) => {
      ledger.readings -= readings.length + unreadable;
      ledger.lost += unreadable;
      ledger.bytes -= bytesFreed;
    },
    clockKnown: (clock, line) =>
      store
        .transaction((database) => repairTimes(database, ledger.stream.rowId, clock, line))
        .catch(() => undefined),
    onAppended: (listener) => {
      listeners.push(listener);
    },
  };
};
