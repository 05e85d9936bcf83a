// What goes into one event: a few readings as people read them, a backlog as a pack, as many as fit. Runs in the packer's transaction: what was taken out
// of the journal for a pack and did not fit into it goes back, by a savepoint.
import { type Part, type TakeLimits, type Taken, takeOldest } from "#agent/journal/take.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Database, Vault } from "#agent/store/store.ts";
import { COLUMNS_ENCODING } from "#agent/telemetry/columns/format.ts";
import { type BatchHead, encodePlain, plainBytes } from "#agent/telemetry/event.ts";
import { fitEvent } from "#agent/telemetry/fit.ts";
import { PACK_READINGS_MAX, READINGS_BYTES_MAX } from "#agent/telemetry/limits.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { PACK_FIRST_READINGS, PACK_TAKE_BYTES_MAX } from "./limits.ts";

export interface FillOptions {
  readonly device: string;
  /** Readings of a plain event, at most. */
  readonly maxCount: number;
  /** More go as a pack where that is asked for. */
  readonly plainMax: number;
  readonly isExpired?: ((reading: StampedReading) => boolean) | undefined;
}

export interface Filled {
  readonly taken: Taken;
  /** Null where only a loss is to be told. */
  readonly content: JsonObject | null;
  readonly head: BatchHead;
}

export const headOf = (device: string, part: Part, taken: Omit<Taken, "readings">): BatchHead => {
  const { clock, lost, offsetMs, seq, stream } = taken;
  const epoch = { boot: stream.boot, bootSeq: stream.bootSeq, clock };
  const after = seq === 0 ? (stream.after ?? undefined) : undefined;
  return { device, stream: stream.name, epoch, offsetMs, seq, lost, historical: part === "backlog", after };
};

/** What a reading takes in memory, roughly. */
export const roughSize = ({ name, unit = "", value }: StampedReading): number =>
  32 +
  name.length +
  unit.length +
  (typeof value === "string" || value instanceof Uint8Array ? value.length : 8);

export class Filler {
  readonly #vault: Vault;
  readonly #options: FillOptions;
  /** Readings that a pack is thought to hold: as many as the last one did, and more where all went in. */
  #guess: number = PACK_FIRST_READINGS;

  constructor(vault: Vault, options: FillOptions) {
    this.#vault = vault;
    this.#options = options;
  }

  /** Readings that an event is thought to hold. */
  perEvent(): number {
    return this.#guess;
  }

  plain(database: Database, part: Part): Filled | null {
    const { device, maxCount } = this.#options;
    const taken = this.#take(database, part, maxCount, READINGS_BYTES_MAX, plainBytes);
    if (taken === null) return null;
    const head = headOf(device, part, taken);
    const { readings } = taken;
    return { taken, head, content: readings.length === 0 ? null : encodePlain({ ...head, readings }) };
  }

  /** Null where nothing waits, or where a plain event serves as well. */
  pack(database: Database, part: Part): Filled | null {
    for (let tries = 0; tries < 2; tries += 1) {
      database.exec("SAVEPOINT fill");
      const filled = this.#tryPack(database, part);
      database.exec(filled === null ? "ROLLBACK TO fill; RELEASE fill" : "RELEASE fill");
      if (filled !== null) return filled;
    }
    return null;
  }

  /** Null where not all that was taken fitted: the guess is better then. */
  #tryPack(database: Database, part: Part): Filled | null {
    const { device, plainMax } = this.#options;
    const taken = this.#take(database, part, this.#guess, PACK_TAKE_BYTES_MAX, roughSize);
    if (taken === null) return null;
    const head = headOf(device, part, taken);
    // Whether its room is encrypted is not known here; the smaller of both sizes always fits.
    const options = { encoding: COLUMNS_ENCODING, encrypted: true, plainMax };
    const fitted = fitEvent(head, taken.readings, options);
    if (fitted === null) return taken.readings.length === 0 ? { taken, head, content: null } : null;
    if (fitted.readings < taken.readings.length) {
      this.#guess = Math.max(1, fitted.readings);
      return null;
    }
    if (taken.readings.length >= this.#guess) this.#guess = Math.min(PACK_READINGS_MAX, this.#guess * 2);
    return { taken, head, content: fitted.content };
  }

  #take(
    database: Database,
    part: Part,
    readingsMax: number,
    bytesMax: number,
    sizeOf: TakeLimits["sizeOf"],
  ): Taken | null {
    const { isExpired } = this.#options;
    const limits = { readingsMax, bytesMax, sizeOf };
    return takeOldest(
      database,
      this.#vault,
      part,
      isExpired === undefined ? limits : { ...limits, isExpired },
    );
  }
}
