// A large sync batch, decrypted ahead of its transaction: over several turns of the loop, on copies (crypto/machine/store/overlay.ts), so that the loop is not
// held for as long as a hundred messages take. Nothing is stored by it; the transaction that stores the position stores what came of it. If somebody changed a
// row meanwhile that it rests on, it is thrown away and done anew, and in the end within the transaction.
import type { SyncBatch, TimelineEvent } from "#agent/matrix/types.ts";
import { pause, type Timers } from "#agent/runtime.ts";
import type { Database, Store } from "#agent/store/store.ts";
import type { MachineCalls } from "#crypto/machine/machine.ts";
import type { Notice } from "#crypto/machine/notices.ts";
import type { ToDeviceResult } from "#crypto/machine/olm/receive.ts";
import type { RoomEventResult } from "#crypto/machine/rooms/decrypt.ts";
import type { RoomKey } from "#crypto/machine/rooms/inbound.ts";
import { createOverlay, type Overlay } from "#crypto/machine/store/overlay.ts";
import type { Access } from "./access.ts";
import { ENCRYPTED, rawOf } from "./incoming.ts";
import { REHEARSALS_MAX, REHEARSED_FROM, REHEARSED_PER_SLICE } from "./limits.ts";

interface Rehearsal {
  /** Stores what came of it, and gives the machine's calls with its results in place of the work; null where it does not hold any more. */
  perform(database: Database, calls: MachineCalls): MachineCalls | null;
  end(): void;
}

export interface RehearsalOptions {
  readonly access: Access;
  readonly store: Pick<Store, "read">;
  readonly timers: Timers;
  readonly userId: string;
}

/** What the slices came to. */
interface Results {
  readonly toDevice: ToDeviceResult[];
  /** By event ID. */
  readonly events: Map<string, RoomEventResult>;
  readonly notices: Notice[];
  readonly readable: RoomKey[];
}

const encryptedEvents = (batch: SyncBatch, userId: string): TimelineEvent[] =>
  [...batch.joined.values()]
    .flatMap(({ timeline }) => timeline)
    .filter(
      ({ event }) => event.type === ENCRYPTED && event.stateKey === undefined && event.sender !== userId,
    );

const slicesOf = <T>(items: readonly T[]): (readonly T[])[] =>
  Array.from({ length: Math.ceil(items.length / REHEARSED_PER_SLICE) }, (_, at) =>
    items.slice(at * REHEARSED_PER_SLICE, (at + 1) * REHEARSED_PER_SLICE),
  );

const playOnce = async (options: RehearsalOptions, batch: SyncBatch): Promise<Rehearsal | null> => {
  const { access, store, timers, userId } = options;
  const results: Results = { toDevice: [], events: new Map(), notices: [], readable: [] };
  let database: Database | null = null;
  const overlay: Overlay = createOverlay(() => {
    if (database === null) throw new TypeError("rehearsal: a row was read between two slices");
    return access.storeOf(database);
  });
  let valid = true;
  const end = access.watch((changes) => {
    valid &&= !overlay.restsOn(changes);
  });
  const slice = (work: (calls: MachineCalls) => void): void =>
    store.read((reading) => {
      database = reading;
      const calls = access.over(overlay.store);
      work(calls);
      results.notices.push(...calls.notices);
      results.readable.push(...calls.readable);
      database = null;
    });
  const steps = [
    ...slicesOf(batch.toDevice).map((events) => (calls: MachineCalls) => {
      results.toDevice.push(...calls.receiveToDevice(events));
    }),
    ...slicesOf(encryptedEvents(batch, userId)).map((entries) => (calls: MachineCalls) => {
      for (const entry of entries)
        results.events.set(entry.event.eventId, calls.decryptRoomEvent(entry.event.roomId, rawOf(entry)));
    }),
  ];
  for (const step of steps) {
    if (valid) slice(step);
    await pause(timers, 0);
  }
  if (!valid) {
    end();
    return null;
  }
  return { end, perform: (now, calls) => (valid ? perform(access, now, calls, overlay, results) : null) };
};

const perform = (
  access: Access,
  database: Database,
  calls: MachineCalls,
  overlay: Overlay,
  { events, notices, readable, toDevice }: Results,
): MachineCalls => {
  access.storeOf(database).write(overlay.changes());
  return {
    ...calls,
    receiveToDevice: () => toDevice,
    decryptRoomEvent: (roomId, event, options) => {
      // `rawOf` made it.
      const { event_id: eventId } = event as { readonly event_id: string };
      const known = events.get(eventId);
      // Once: whatever comes again under that ID is looked at for itself.
      events.delete(eventId);
      return known ?? calls.decryptRoomEvent(roomId, event, options);
    },
    get notices() {
      return [...notices, ...calls.notices];
    },
    get readable() {
      return [...readable, ...calls.readable];
    },
  };
};

/** Null for a batch that is soon done, or where others changed what it rests on each time. */
const rehearse = async (options: RehearsalOptions, batch: SyncBatch): Promise<Rehearsal | null> => {
  const count = batch.toDevice.length + encryptedEvents(batch, options.userId).length;
  if (count < REHEARSED_FROM) return null;
  for (let attempt = 0; attempt < REHEARSALS_MAX; attempt += 1) {
    const rehearsal = await playOnce(options, batch);
    if (rehearsal !== null) return rehearsal;
  }
  return null;
};

/** The next batch's rehearsal. */
export class Rehearsals {
  readonly #options: RehearsalOptions;
  #next: { readonly batch: SyncBatch; readonly rehearsal: Rehearsal } | null = null;

  constructor(options: RehearsalOptions) {
    this.#options = options;
  }

  async play(batch: SyncBatch): Promise<void> {
    this.#next?.rehearsal.end();
    this.#next = null;
    const rehearsal = await rehearse(this.#options, batch);
    if (rehearsal !== null) this.#next = { batch, rehearsal };
  }

  /** In the batch's transaction: the machine's calls, with what was decrypted ahead stored by now where that holds. */
  callsFor(batch: SyncBatch, database: Database, calls: MachineCalls): MachineCalls {
    const rehearsal = this.#next?.batch === batch ? this.#next.rehearsal : null;
    this.#next = null;
    rehearsal?.end();
    return rehearsal?.perform(database, calls) ?? calls;
  }
}
