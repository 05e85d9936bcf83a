// The event `<namespace>.telemetry`, version 1, `plain` form (DESIGN 4): readings as people and small integrations can use them.
// Schema: docs/schemas/telemetry.v1.json. Unknown fields are ignored; an unknown `v` or `encoding` is reported, never guessed.
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import { encodeDecimal, parseDecimal } from "./decimal.ts";
import type { ClockState, Epoch, Loss, StampedReading } from "./reading.ts";

export const NAMESPACE_DEFAULT = "dev.petrel";

/** Readings of one stream, in order, that make one event. */
export interface Batch {
  readonly device: string;
  readonly stream: string;
  readonly epoch: Epoch;
  /** Sequence number of the first one covered, lost ones included. */
  readonly seq: number;
  readonly lost: readonly Loss[];
  readonly readings: readonly StampedReading[];
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

/** What `telemetry` and `loss` have in common: which numbers of which stream. */
const rangeOf = (batch: Omit<Batch, "readings">, readings: number): JsonObject => ({
  v: 1,
  device: batch.device,
  stream: batch.stream,
  boot: batch.epoch.boot,
  boot_seq: batch.epoch.bootSeq,
  seq: batch.seq,
  count: readings + lostCount(batch.lost),
  lost: batch.lost.map(({ from, count, reason }) => [from, count, reason]),
});

/** The content of the event. `batch.readings` holds at least one reading. */
export const encodePlain = (batch: Batch): JsonObject => {
  const times = batch.readings.map(({ timeMs }) => timeMs);
  return {
    ...rangeOf(batch, batch.readings.length),
    from: Math.min(...times),
    until: Math.max(...times),
    clock: batch.epoch.clock,
    mono: Math.round(batch.readings[0]?.monoMs ?? 0),
    offset: 0,
    readings: batch.readings.map(plainReading),
  };
};

/** The content of `<namespace>.loss`: numbers of a stream that will never come, where no reading behind them can tell it. */
export const encodeLoss = (batch: Omit<Batch, "readings">): JsonObject => rangeOf(batch, 0);

/** A reading as a reader of the room gets it. */
export interface ReceivedReading {
  readonly seq: number;
  readonly name: string;
  readonly unit: string | null;
  readonly timeMs: number;
  readonly value: number | string | boolean | Uint8Array;
}

export interface ReceivedTelemetry {
  readonly device: string;
  readonly stream: string;
  readonly boot: string;
  readonly bootSeq: number;
  readonly seq: number;
  readonly count: number;
  readonly lost: readonly Loss[];
  readonly clock: ClockState;
  readonly readings: readonly ReceivedReading[];
}

/** Why a content could not be read as telemetry: of another version, or broken. */
export class TelemetryError extends Error {
  readonly code: "VERSION" | "ENCODING" | "MALFORMED";
  constructor(code: "VERSION" | "ENCODING" | "MALFORMED", message: string) {
    super(message);
    this.name = "TelemetryError";
    this.code = code;
  }
}

const malformed = (path: string, expected: string): TelemetryError =>
  new TelemetryError("MALFORMED", `telemetry: ${path}: expected ${expected}`);

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const text = (content: JsonObject, key: string): string => {
  const value = content[key];
  if (typeof value !== "string") throw malformed(key, "text");
  return value;
};

const natural = (value: JsonValue | undefined, path: string): number => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw malformed(path, "an integer of 0 or more");
  return value;
};

const parseLost = (value: JsonValue | undefined): Loss[] => {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw malformed("lost", "a list");
  return value.map((entry: JsonValue, index) => {
    const [from, count, reason] = Array.isArray(entry) ? (entry as readonly JsonValue[]) : []; // Array.isArray loses the element type
    return {
      from: natural(from, `lost[${index}][0]`),
      count: natural(count, `lost[${index}][1]`),
      reason: typeof reason === "string" ? reason : "unknown",
    };
  });
};

const parseValue = (entry: JsonObject, path: string): ReceivedReading["value"] => {
  const { v, vb, vs, vd } = entry;
  if (typeof v === "string") {
    const number = parseDecimal(v);
    if (number !== null) return number;
  }
  if (typeof vb === "boolean") return vb;
  if (typeof vs === "string") return vs;
  if (typeof vd === "string") return new Uint8Array(Buffer.from(vd, "base64url"));
  throw malformed(path, "a value: v (a decimal string), vb, vs or vd");
};

/** Numbers the readings of an event, stepping over the lost ones. */
const sequenceOf = (seq: number, lost: readonly Loss[]): (() => number) => {
  let next = seq;
  return () => {
    for (;;) {
      const gap = lost.find(({ from, count }) => next >= from && next < from + count);
      if (gap === undefined) break;
      next = gap.from + gap.count;
    }
    next += 1;
    return next - 1;
  };
};

const parseReading = (entry: JsonValue, index: number, seq: number): ReceivedReading => {
  const path = `readings[${index}]`;
  if (!isObject(entry)) throw malformed(path, "an object");
  const { n, u, t } = entry;
  if (typeof n !== "string" || n === "") throw malformed(`${path}.n`, "a name");
  return {
    seq,
    name: n,
    unit: typeof u === "string" ? u : null,
    timeMs: natural(t, `${path}.t`),
    value: parseValue(entry, path),
  };
};

const CLOCKS: readonly ClockState[] = ["unset", "rtc", "ntp", "gps"];

/** Reads the content of a telemetry event. Throws `TelemetryError`. */
export const parseTelemetry = (content: JsonObject): ReceivedTelemetry => {
  if (content["v"] !== 1)
    throw new TelemetryError(
      "VERSION",
      `telemetry: version 1 is known, found ${JSON.stringify(content["v"] ?? null)}`,
    );
  if (content["encoding"] !== undefined)
    throw new TelemetryError(
      "ENCODING",
      `telemetry: the plain form is known, found encoding ${JSON.stringify(content["encoding"])}`,
    );
  const { readings } = content;
  if (!Array.isArray(readings)) throw malformed("readings", "a list");
  const seq = natural(content["seq"], "seq");
  const lost = parseLost(content["lost"]);
  const nextSeq = sequenceOf(seq, lost);
  const clock = CLOCKS.find((state) => state === content["clock"]) ?? "unset";
  return {
    device: text(content, "device"),
    stream: text(content, "stream"),
    boot: text(content, "boot"),
    bootSeq: natural(content["boot_seq"], "boot_seq"),
    seq,
    count: natural(content["count"], "count"),
    lost,
    clock,
    readings: readings.map((entry: JsonValue, index) => parseReading(entry, index, nextSeq())),
  };
};
