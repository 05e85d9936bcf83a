// The `file` form (DESIGN 4): a backlog that would take many events goes as one pack in an attachment, and one small event that says what it holds.
//
//   read ahead (journal/ahead.ts) -> pack, a column at a time -> upload -> one transaction { readings out of the journal, event into the outbox } -> sender
//
// Until that transaction nothing has happened: an upload that is cut, refused, or whose process dies leaves the readings where they are, and at most a file
// at the server that no event names. From then on it is an event of the outbox like any other, sent once. Nothing of the pack is written to our disk.
import {
  type Ahead,
  type AheadLimits,
  beginAhead,
  headOfAhead,
  readOn,
  takeAhead,
} from "#agent/journal/ahead.ts";
import type { Gone, Journal } from "#agent/journal/journal.ts";
import { type JsonObject, MatrixError } from "#agent/matrix/types.ts";
import { pause, type Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { type ColumnsBuilder, createColumnsBuilder } from "#agent/telemetry/columns/builder.ts";
import { COLUMNS_ENCODING } from "#agent/telemetry/columns/format.ts";
import { encodeFile, type Pack, type Span } from "#agent/telemetry/event.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { uploadVerdictOf } from "./file-verdict.ts";
import { headOf, roughSize } from "./fill.ts";
import {
  FILE_CHUNKS_PER_TURN,
  FILE_LOSS_BYTES_MAX,
  FILE_LOSSES_MAX,
  FILE_READINGS_MAX,
  FILE_READINGS_MIN,
  FILE_REFUSED_MS,
  FILE_TAKE_BYTES_MAX,
} from "./limits.ts";
import { put } from "./outbox.ts";
import type { Uploads } from "./upload.ts";

export interface FilePackOptions {
  readonly store: Store;
  readonly journal: Journal;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly device: string;
  readonly roomId: string;
  readonly namespace: string;
  readonly isExpired?: ((reading: StampedReading) => boolean) | undefined;
  readonly uploads: Uploads;
}

interface Packed {
  readonly ahead: Ahead;
  readonly pack: Pack;
  readonly span: Span;
}

/** What an event says of its readings, gathered while they pass by. */
const widen = (span: Span, readings: readonly StampedReading[]): Span => {
  let { fromMs, monoMs, untilMs } = span;
  for (const reading of readings) {
    if (reading.timeMs < fromMs) ({ timeMs: fromMs, monoMs } = reading);
    untilMs = Math.max(untilMs, reading.timeMs);
  }
  return { readings: span.readings + readings.length, fromMs, untilMs, monoMs };
};

const NOTHING: Span = {
  readings: 0,
  fromMs: Number.POSITIVE_INFINITY,
  untilMs: Number.NEGATIVE_INFINITY,
  monoMs: 0,
};

export class FilePacks {
  readonly #options: FilePackOptions;
  #readingsMax: number = FILE_READINGS_MAX;
  /** Packs within events until then. */
  #withoutUntilMono = 0;
  #running: Promise<boolean> | null = null;

  constructor(options: FilePackOptions) {
    this.#options = options;
  }

  /** Whether files are of use at the moment. */
  possible(): boolean {
    return this.#options.runtime.clock.monoMs() >= this.#withoutUntilMono;
  }

  running(): boolean {
    return this.#running !== null;
  }

  /** Once the signal has ended it, nothing is under way any more. Before that nobody waits for an upload. */
  async stopped(): Promise<void> {
    if (this.#options.signal.aborted) await this.#running;
  }

  /** One file of the backlog; resolves with whether it became an event. Never rejects: what fails goes as packs within events. */
  make(): Promise<boolean> {
    this.#running ??= this.#make().finally(() => {
      this.#options.journal.reserve(0);
      this.#running = null;
    });
    return this.#running;
  }

  async #make(): Promise<boolean> {
    const { runtime, signal } = this.#options;
    try {
      const packed = await this.#pack();
      if (packed === null || signal.aborted) return false;
      const file = await this.#upload(packed);
      return file !== null && !signal.aborted && (await this.#commit(packed, file));
    } catch (error) {
      this.#without(FILE_REFUSED_MS);
      runtime.log.error(
        { error: String(error) },
        "a backlog could not be made a file; it goes within events",
      );
      return false;
    }
  }

  #without(forMs: number): void {
    this.#withoutUntilMono = this.#options.runtime.clock.monoMs() + forMs;
  }

  #turn(): Promise<void> {
    return pause(this.#options.runtime.timers, 0, this.#options.signal);
  }

  /** Null where there is nothing that a file is for. */
  async #pack(): Promise<Packed | null> {
    const { signal, store } = this.#options;
    const ahead = store.read(beginAhead);
    if (ahead === null) return null;
    const builder = createColumnsBuilder();
    const span = await this.#read(ahead, builder);
    if (signal.aborted || span.readings === 0) return null;
    const bytes = await builder.encodeGently(span.readings, () => this.#turn());
    return { ahead, span, pack: { encoding: COLUMNS_ENCODING, bytes } };
  }

  async #read(ahead: Ahead, builder: ColumnsBuilder): Promise<Span> {
    const { isExpired, journal, signal, store } = this.#options;
    const limits: AheadLimits = {
      readingsMax: this.#readingsMax,
      bytesMax: FILE_TAKE_BYTES_MAX,
      sizeOf: roughSize,
      lossesMax: FILE_LOSSES_MAX,
      lossBytesMax: FILE_LOSS_BYTES_MAX,
      ...(isExpired === undefined ? {} : { isExpired }),
    };
    let span = NOTHING;
    while (!ahead.ended && !signal.aborted) {
      const readings = store.read((database) => {
        const some = readOn(database, store.vault, ahead, limits, FILE_CHUNKS_PER_TURN);
        journal.reserve(ahead.lastChunk);
        return some;
      });
      for (const reading of readings) builder.add(reading);
      span = widen(span, readings);
      await this.#turn();
    }
    return span;
  }

  /** The file as the event names it; null: not now. */
  async #upload(packed: Packed): Promise<JsonObject | string | null> {
    const { runtime, signal, uploads } = this.#options;
    const upload = await uploads(packed.pack.bytes);
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        return await upload();
      } catch (error) {
        if (!(error instanceof MatrixError)) throw error;
        const delayMs = this.#judge(error, failures, packed);
        if (delayMs === null) return null;
        await pause(runtime.timers, delayMs, signal);
      }
    }
    return null;
  }

  /** Milliseconds until the next try; null: none. */
  #judge(error: MatrixError, failures: number, { pack, span }: Packed): number | null {
    const { log, random } = this.#options.runtime;
    const verdict = uploadVerdictOf(error, failures, random);
    const told = { kind: error.kind, errcode: error.errcode, bytes: pack.bytes.length };
    switch (verdict.kind) {
      case "again":
        log.warn(
          { ...told, delayMs: verdict.delayMs },
          `a file of readings was not uploaded: ${error.message}`,
        );
        return verdict.delayMs;
      case "smaller":
        this.#shrink(span.readings, told, error);
        return null;
      case "without":
        this.#without(verdict.forMs);
        log.warn(
          { ...told, forMs: verdict.forMs },
          `the homeserver takes no file of readings; they go within events for now: ${error.message}`,
        );
        return null;
      case "stop":
        return null;
    }
  }

  #shrink(readings: number, told: JsonObject, error: MatrixError): void {
    const { log } = this.#options.runtime;
    this.#readingsMax = Math.floor(readings / 2);
    if (this.#readingsMax >= FILE_READINGS_MIN) {
      log.info({ ...told, readings: this.#readingsMax }, "the homeserver takes smaller files only");
      return;
    }
    this.#readingsMax = FILE_READINGS_MAX;
    this.#without(FILE_REFUSED_MS);
    log.warn(
      told,
      `the homeserver takes no file of readings; they go within events for now: ${error.message}`,
    );
  }

  async #commit({ ahead, pack, span }: Packed, file: JsonObject | string): Promise<boolean> {
    const { device, journal, namespace, roomId, runtime, store } = this.#options;
    const gone = await store.transaction((database): Gone | null => {
      const taken = takeAhead(database, ahead);
      if (taken === null) return null;
      const head = headOf(device, "backlog", headOfAhead(ahead));
      const content = encodeFile(head, span, pack, file);
      put(database, store.vault, runtime.random, {
        lane: "bulk",
        roomId,
        type: `${namespace}.telemetry`,
        content,
      });
      return taken;
    });
    if (gone === null) {
      runtime.log.info({}, "a file of readings was uploaded in vain: their times were corrected meanwhile");
      return false;
    }
    journal.taken(gone);
    return true;
  }
}
