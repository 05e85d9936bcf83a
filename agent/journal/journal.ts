// The journal: readings that were accepted and not yet packed into events. `append` settles when they are durable or refused.
//
// Group commit: while one transaction syncs, what comes meanwhile waits and goes into the next one, as one chunk (gather.ts). So 32 sources that each wait
// for their reading share one sync, and one source alone pays one sync a reading, unless its flush interval says that it may wait for others.
import type { Clock, Timers } from "#agent/runtime.ts";
import type { Database, Store } from "#agent/store/store.ts";
import type { ClockLine, ClockState, StampedReading } from "#agent/telemetry/reading.ts";
import type { EmitResult } from "#drivers/driver.ts";
import { ageMs, bootById, type Now } from "./boots.ts";
import { dropAged } from "./bounds.ts";
import { repairTimes } from "./epochs.ts";
import { createGathering } from "./gather.ts";
import {
  type Delivery,
  type JournalPolicy,
  type Ledger,
  loadLedger,
  roughBytes,
  type Unnumbered,
  type Witness,
  writeDeliveries,
} from "./ledger.ts";
import { PENDING_BYTES_MAX, PENDING_READINGS_MAX } from "./limits.ts";
import { addCounts, countByChannel } from "./lost-channels.ts";
import { addStream, type Boot, streamById } from "./stream.ts";
import type { Taken } from "./take.ts";

export interface JournalDepth {
  readonly readings: number;
  readonly bytes: number;
  /** Readings dropped, thinned out or refused, or found unreadable, since the start of the process. */
  readonly lost: number;
  /** Readings of the live stream; the rest is a backlog. */
  readonly live: number;
}

/** What left the journal, for its numbers. */
export type Gone = Pick<Taken, "stream" | "unreadable" | "expired" | "bytesFreed"> & {
  readonly readings: { readonly length: number };
};

export interface Journal {
  append(delivery: Delivery): Promise<EmitResult>;
  depth(): JournalDepth;
  /** The clock is known now: what waits of this boot from before gets its times. Never rejects; the next chunk makes up for what it could not do. */
  clockKnown(clock: ClockState, line: ClockLine): Promise<void>;
  /** The packer took these out, in a transaction that is committed. */
  taken(taken: Gone): void;
  /** Chunks up to this one are on their way as a file and give way to nothing; 0: none are. */
  reserve(chunk: number): void;
  /** Calls `listener` each time readings were committed (not yet durable). */
  onAppended(listener: () => void): void;
  /** Milliseconds that the oldest reading of the live stream has waited; null where there is none, or nobody knows. */
  liveAgeMs(): number | null;
  /** From now on readings go to a new stream: what waits becomes a backlog. */
  beginStream(newStreamName: string): Promise<void>;
  /** Drops what has waited longer than the policy allows. */
  expire(): Promise<void>;
  /** Commits what waits in memory. */
  flush(): Promise<void>;
}

/** Time, for flush intervals and for ages. */
export interface JournalTime {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Whether the wall clock means anything at the moment. */
  readonly clockKnown: () => boolean;
}

/** No time passes: everything is flushed at once, nothing grows old. */
const NO_TIME: JournalTime = {
  clock: { wallMs: () => 0, monoMs: () => 0 },
  timers: { after: () => () => undefined },
  clockKnown: () => false,
};

const refusalOf = (
  delivery: Delivery,
  ledger: Ledger,
  policy: JournalPolicy,
  pending: { readonly readings: number; readonly bytes: number },
): string | null => {
  const { readings } = delivery;
  const bytes = roughBytes(readings);
  if (pending.readings + readings.length > PENDING_READINGS_MAX || pending.bytes + bytes > PENDING_BYTES_MAX)
    return `${pending.readings} readings (${pending.bytes} bytes) wait for the disk already, more than can be held`;
  if (policy.whenFull === "reject" && ledger.bytes + pending.bytes + bytes > policy.bytesMax)
    return `the journal is full: ${policy.bytesMax} bytes wait, and delivery.journal.when_full is "reject"`;
  return null;
};

const putBack = (list: Unnumbered[], loss: Unnumbered): void => {
  const at = list.findIndex(({ reason }) => reason === loss.reason);
  const known = list[at];
  if (known === undefined) list.push(loss);
  else
    list[at] = {
      ...known,
      count: known.count + loss.count,
      fromMs: Math.min(known.fromMs, loss.fromMs),
      untilMs: Math.max(known.untilMs, loss.untilMs),
      channels: addCounts(known.channels, loss.channels),
    };
};

/** Joined by reason: a source that goes on while the journal refuses must not fill the memory. */
const addUnnumbered = (
  list: Unnumbered[],
  reason: Unnumbered["reason"],
  readings: readonly StampedReading[],
  atMs: number,
): void => {
  const count = readings.length;
  const channels = countByChannel(readings);
  putBack(list, { reason, count, fromMs: atMs, untilMs: atMs, channels });
};

/** The numbers that a transaction changed, as differences: the packer may have taken readings out between the transaction and its continuation. */
const changesOf = (draft: Ledger, before: Ledger): ((ledger: Ledger) => void) => {
  const { boot, nextChunk, nextSeq, stream } = draft;
  const readings = draft.readings - before.readings;
  const live = draft.live - before.live;
  const bytes = draft.bytes - before.bytes;
  const lost = draft.lost - before.lost;
  return (ledger) => {
    // In a new stream nothing waits, whatever was taken out of the old one meanwhile.
    ledger.live = stream.rowId === ledger.stream.rowId ? ledger.live + live : draft.live;
    Object.assign(ledger, { boot, nextChunk, nextSeq, stream });
    ledger.readings += readings;
    ledger.bytes += bytes;
    ledger.lost += lost;
  };
};

class OpenJournal implements Journal {
  readonly #store: Store;
  readonly #policy: JournalPolicy;
  readonly #time: JournalTime;
  readonly #ledger: Ledger;
  readonly #witness: Witness | undefined;
  readonly #listeners: (() => void)[] = [];
  readonly #gathering: ReturnType<typeof createGathering>;
  #unnumbered: Unnumbered[] = [];
  /** The last transaction: one begins when the numbers of the one before are in. */
  #last: Promise<void> = Promise.resolve();

  constructor(
    store: Store,
    policy: JournalPolicy,
    ledger: Ledger,
    witness?: Witness,
    time: JournalTime = NO_TIME,
  ) {
    this.#witness = witness;
    this.#store = store;
    this.#policy = policy;
    this.#time = time;
    this.#ledger = ledger;
    this.#gathering = createGathering({
      ...time,
      commit: (deliveries) => this.#commit(deliveries),
      lost: ({ readings }) => this.#lose("store", readings),
    });
  }

  append(delivery: Delivery): Promise<EmitResult> {
    const reason = refusalOf(delivery, this.#ledger, this.#policy, this.#gathering.waiting());
    if (reason === null) return this.#gathering.add(delivery);
    this.#lose("refused", delivery.readings);
    return Promise.resolve({ outcome: "refused", reason });
  }

  depth(): JournalDepth {
    const { bytes, live, lost, readings } = this.#ledger;
    return { readings, bytes, lost, live };
  }

  taken({ bytesFreed, expired, readings, stream, unreadable }: Gone): void {
    const left = readings.length + unreadable + expired;
    this.#ledger.readings -= left;
    if (stream.rowId === this.#ledger.stream.rowId) this.#ledger.live -= left;
    this.#ledger.lost += unreadable + expired;
    this.#ledger.bytes -= bytesFreed;
  }

  reserve(chunk: number): void {
    this.#ledger.reserved = chunk;
  }

  async clockKnown(clock: ClockState, line: ClockLine): Promise<void> {
    const { rowId } = this.#ledger.stream;
    await this.#store
      .transaction((database) => repairTimes(database, rowId, clock, line))
      .catch(() => undefined);
  }

  onAppended(listener: () => void): void {
    this.#listeners.push(listener);
  }

  liveAgeMs(): number | null {
    return this.#store.read((database) => {
      const row = database
        .prepare("SELECT at_mono, stream FROM journal_chunk WHERE id >= ? ORDER BY id LIMIT 1")
        .get(this.#ledger.stream.firstChunk);
      if (row === null || typeof row["at_mono"] !== "number") return null;
      const { bootRow } = streamById(database, Number(row["stream"]));
      const boot = bootRow === null ? null : bootById(database, bootRow);
      return ageMs(this.#now(), this.#ledger.boot, boot, row["at_mono"]);
    });
  }

  async beginStream(newStreamName: string): Promise<void> {
    await this.#transact((database) => {
      const { boot, nextChunk, nextSeq, stream } = this.#ledger;
      const place = { name: newStreamName, boot: stream.boot, bootRow: boot.id, firstChunk: nextChunk };
      const made = addStream(database, place, streamById(database, stream.rowId), nextSeq);
      return { ...this.#ledger, stream: made, nextSeq: 0, live: 0 };
    });
  }

  async expire(): Promise<void> {
    const { ageMaxMs } = this.#policy;
    if (ageMaxMs === undefined || this.#ledger.readings === 0) return;
    await this.#transact((database) => {
      const draft = { ...this.#ledger };
      dropAged(database, this.#store.vault, draft, this.#now(), ageMaxMs);
      return draft;
    });
  }

  async flush(): Promise<void> {
    await this.#gathering.flush();
    if (this.#unnumbered.length > 0) await this.#commit([]);
  }

  #now(): Now {
    const { clock, clockKnown } = this.#time;
    return { monoMs: clock.monoMs(), wallMs: clockKnown() ? clock.wallMs() : null };
  }

  #lose(reason: Unnumbered["reason"], readings: readonly StampedReading[]): void {
    this.#ledger.lost += readings.length;
    addUnnumbered(this.#unnumbered, reason, readings, this.#time.clock.wallMs());
  }

  /** `work` gives the ledger as it is after the commit. */
  #transact(work: (database: Database) => Ledger): Promise<void> {
    const run = this.#last.then(async () => {
      const change = await this.#store.transaction((database) => changesOf(work(database), this.#ledger));
      change(this.#ledger);
    });
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #commit(deliveries: readonly Delivery[]): Promise<readonly EmitResult[]> {
    const { clock } = this.#time;
    const unnumbered = this.#unnumbered;
    this.#unnumbered = [];
    let results: readonly EmitResult[] = [];
    try {
      await this.#transact((database) => {
        const now = { monoMs: clock.monoMs(), wallMs: clock.wallMs() };
        const context = { vault: this.#store.vault, policy: this.#policy, now, unnumbered };
        const written = writeDeliveries(database, this.#ledger, context, deliveries);
        if (written.written.deliveries.length > 0) this.#witness?.(database, written.written);
        ({ results } = written);
        return written.draft;
      });
    } catch (error) {
      for (const loss of unnumbered) putBack(this.#unnumbered, loss);
      throw error;
    }
    // Told before the sync: whatever is made of the readings goes out only after a sync of its own, which covers this one.
    for (const listener of this.#listeners) listener();
    await this.#store.durable();
    return results;
  }
}

/** Opens the journal for this boot. `newStreamName` is random and used if this store has not seen the boot yet; `witness` is told of each transaction. */
export const openJournal = async (
  store: Store,
  boot: Boot,
  newStreamName: string,
  policy: JournalPolicy,
  witness?: Witness,
  time?: JournalTime,
): Promise<Journal> => {
  const ledger = await store.transaction((database) => loadLedger(database, boot, newStreamName));
  return new OpenJournal(store, policy, ledger, witness, time);
};
