// The content of the event `<namespace>.telemetry`, version 1, as it is written (DESIGN 4): its common fields and its three forms. `plain` for people and
// small integrations, `pack` for few bytes within the event, `file` for a backlog in an attachment. Schema: docs/schemas/telemetry.v1.json. Read by parse.ts.
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import { encodeBase64 } from "#crypto/base64.ts";
import { encodeDecimal } from "./decimal.ts";
import type { Epoch, Loss, Predecessor, StampedReading } from "./reading.ts";

export const NAMESPACE_DEFAULT = "dev.petrel";

/** What is said of readings beside themselves. */
export interface BatchHead {
  readonly device: string;
  readonly stream: string;
  readonly epoch: Epoch;
  /** Sequence number of the first one covered, lost ones included. */
  readonly seq: number;
  readonly lost: readonly Loss[];
  /** Correction that was applied to the times of the readings, ms (default 0). */
  readonly offsetMs?: number;
  /** These readings waited while newer ones went ahead in a stream of their own (default no). */
  readonly historical?: boolean;
  /** Which stream this one followed; told with its first numbers. */
  readonly after?: Predecessor | undefined;
}

/** Readings of one stream, in order, that make one event. */
export interface Batch extends BatchHead {
  readonly readings: readonly StampedReading[];
}

/** What the readings of an event are in all, for its common fields. */
export interface Span {
  readonly readings: number;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Monotonic time of the earliest reading. */
  readonly monoMs: number;
}

/** A pack as it goes into `data` or into an attachment. */
export interface Pack {
  readonly encoding: string;
  readonly bytes: Uint8Array;
}

const encodeBytes = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

const valueField = (value: StampedReading["value"]): JsonObject => {
  switch (typeof value) {
    case "number":
      // Not finite: such a reading is refused at the door (ingest), so this is the last resort of a stored one.
      return { v: encodeDecimal(value) ?? "0" };
    case "boolean":
      return { vb: value };
    case "string":
      return { vs: value };
    default:
      return { vd: encodeBytes(value) };
  }
};

const plainReading = (reading: StampedReading): JsonObject => ({
  n: reading.name,
  ...(reading.unit === undefined ? {} : { u: reading.unit }),
  t: reading.timeMs,
  ...valueField(reading.value),
});

/** Bytes of UTF-8 that a reading takes in the list of a plain event, with its comma: exact, since an event that is too large is lost. */
export const plainBytes = (reading: StampedReading): number =>
  Buffer.byteLength(JSON.stringify(plainReading(reading)), "utf8") + 1;

const lostCount = (lost: readonly Loss[]): number => lost.reduce((sum, { count }) => sum + count, 0);

/** [first number, how many, reason], and from when until when where that is known. */
const lostRun = ({ count, from, fromMs, reason, untilMs }: Loss): JsonValue => [
  from,
  count,
  reason,
  ...(fromMs === undefined || untilMs === undefined ? [] : [Math.round(fromMs), Math.round(untilMs)]),
];

/** All losses of an event together: its runs are many, its channels few. */
const lostChannels = (lost: readonly Loss[]): JsonObject | null => {
  const counts = new Map<string, number>();
  for (const { channels } of lost)
    for (const [name, count] of channels ?? []) counts.set(name, (counts.get(name) ?? 0) + count);
  return counts.size === 0 ? null : Object.fromEntries(counts);
};

const lostFields = (lost: readonly Loss[]): JsonObject => {
  const channels = lostChannels(lost);
  return { lost: lost.map(lostRun), ...(channels === null ? {} : { lost_channels: channels }) };
};

const rangeOf = (head: BatchHead, readings: number): JsonObject => ({
  v: 1,
  device: head.device,
  stream: head.stream,
  boot: head.epoch.boot,
  boot_seq: head.epoch.bootSeq,
  seq: head.seq,
  count: readings + lostCount(head.lost),
  ...lostFields(head.lost),
  ...(head.after === undefined ? {} : { after_stream: head.after.stream, after_end: head.after.end }),
});

/** The fields that every form has. */
export const commonFields = (head: BatchHead, span: Span): JsonObject => ({
  ...rangeOf(head, span.readings),
  from: span.fromMs,
  until: span.untilMs,
  clock: head.epoch.clock,
  mono: Math.round(span.monoMs),
  offset: Math.round(head.offsetMs ?? 0),
  ...(head.historical === true ? { historical: true } : {}),
});

/** Earliest and latest time: no spread, since an argument list has a limit and a batch may not. */
export const spanOf = (readings: readonly StampedReading[]): Span => {
  let fromMs = Number.POSITIVE_INFINITY;
  let untilMs = Number.NEGATIVE_INFINITY;
  let earliestMono = 0;
  for (const { monoMs, timeMs } of readings) {
    if (timeMs < fromMs) earliestMono = monoMs;
    fromMs = Math.min(fromMs, timeMs);
    untilMs = Math.max(untilMs, timeMs);
  }
  return { readings: readings.length, fromMs, untilMs, monoMs: earliestMono };
};

/** The `plain` form. `batch.readings` holds at least one reading. */
export const encodePlain = (batch: Batch): JsonObject => ({
  ...commonFields(batch, spanOf(batch.readings)),
  readings: batch.readings.map(plainReading),
});

/** The `pack` form: base64 in the standard alphabet, unpadded as everything in Matrix. */
export const encodePack = (head: BatchHead, span: Span, pack: Pack): JsonObject => ({
  ...commonFields(head, span),
  encoding: pack.encoding,
  data: encodeBase64(pack.bytes),
});

/**
 * The `file` form. `file` is the EncryptedFile of an encrypted room (specification, "Sending encrypted attachments") with its `url`, or the bare
 * mxc:// address where the room is not encrypted.
 */
export const encodeFile = (
  head: BatchHead,
  span: Span,
  pack: Pack,
  file: JsonObject | string,
): JsonObject => ({
  ...commonFields(head, span),
  encoding: pack.encoding,
  size: pack.bytes.length,
  ...(typeof file === "string" ? { url: file } : { file }),
});

/** The content of `<namespace>.loss`: numbers of a stream that will never come, where no reading behind them can tell it. */
export const encodeLoss = (head: BatchHead): JsonObject => rangeOf(head, 0);
