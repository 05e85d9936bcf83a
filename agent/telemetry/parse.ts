// Reads the content of `<namespace>.telemetry` and of `<namespace>.loss`, version 1, in every form (DESIGN 4). Anybody in a room may have written it:
// what is refused is refused with a `TelemetryError`, and nothing is made larger than limits.ts says. Unknown fields are ignored; an unknown `v` or
// `encoding` is reported, never guessed.
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import { decodeBase64 } from "#crypto/base64.ts";
import { malformed, overLimit, TelemetryError } from "./errors.ts";
import { LOST_RUNS_MAX, PACK_BYTES_MAX, PACK_READINGS_MAX } from "./limits.ts";
import { decodePack, isKnownEncoding } from "./pack/codec.ts";
import { parsePlainReading } from "./plain.ts";
import type { ClockState, Loss, Predecessor } from "./reading.ts";
import type { PackReading, ReceivedRange, ReceivedReading, ReceivedTelemetry } from "./received.ts";

/** Where the readings of the `file` form lie. */
export interface TelemetryFile {
  /** mxc:// */
  readonly url: string;
  /** The EncryptedFile of an encrypted room, keys included; null where it is not encrypted. */
  readonly encrypted: JsonObject | null;
}

/** Fetches a file, decrypted. What it throws is the cause of a `TelemetryError` FILE. */
export type FetchFile = (file: TelemetryFile, bytesMax: number) => Promise<Uint8Array>;

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

const isInteger = (value: JsonValue | undefined): value is number =>
  typeof value === "number" && Number.isSafeInteger(value);

const integerOr = (value: JsonValue | undefined, other: number): number => (isInteger(value) ? value : other);

const parseLost = (value: JsonValue | undefined): Loss[] => {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw malformed("lost", "a list");
  if (value.length > LOST_RUNS_MAX) throw overLimit("lost", LOST_RUNS_MAX);
  return value.map((entry: JsonValue, index) => {
    const [from, count, reason, fromMs, untilMs] = Array.isArray(entry)
      ? (entry as readonly JsonValue[])
      : []; // Array.isArray loses the element type
    const isDated = isInteger(fromMs) && isInteger(untilMs);
    return {
      ...(isDated ? { fromMs, untilMs } : {}),
      from: natural(from, `lost[${index}][0]`),
      count: natural(count, `lost[${index}][1]`),
      reason: typeof reason === "string" ? reason : "unknown",
    };
  });
};

const parseLostChannels = (value: JsonValue | undefined): ReadonlyMap<string, number> => {
  if (!isObject(value)) return new Map();
  const entries = Object.entries(value);
  if (entries.length > LOST_RUNS_MAX) throw overLimit("lost_channels", LOST_RUNS_MAX);
  return new Map(entries.flatMap(([name, count]) => (isInteger(count) ? [[name, count] as const] : [])));
};

const parseAfter = ({ after_end: end, after_stream: stream }: JsonObject): Predecessor | null =>
  typeof stream === "string" && isInteger(end) && end >= 0 ? { stream, end } : null;

/** Numbers the readings of an event, stepping over the lost ones. */
const sequenceOf = (seq: number, lost: readonly Loss[]): (() => number) => {
  const gaps = lost.toSorted((left, right) => left.from - right.from);
  let at = 0;
  let next = seq;
  return () => {
    for (let gap = gaps[at]; gap !== undefined && gap.from <= next; gap = gaps[at]) {
      next = Math.max(next, gap.from + gap.count);
      at += 1;
    }
    next += 1;
    return next - 1;
  };
};

const CLOCKS: readonly ClockState[] = ["unset", "rtc", "ntp", "gps"];

const parseRange = (content: JsonObject): ReceivedRange => {
  if (content["v"] !== 1)
    throw new TelemetryError(
      "VERSION",
      `telemetry: version 1 is known, found ${JSON.stringify(content["v"] ?? null)}`,
    );
  return {
    device: text(content, "device"),
    stream: text(content, "stream"),
    boot: text(content, "boot"),
    bootSeq: natural(content["boot_seq"], "boot_seq"),
    seq: natural(content["seq"], "seq"),
    count: natural(content["count"], "count"),
    lost: parseLost(content["lost"]),
    lostChannels: parseLostChannels(content["lost_channels"]),
    after: parseAfter(content),
  };
};

/** Readings that the event says its pack holds: its range without the lost ones. */
const expectedReadings = ({ count, lost }: ReceivedRange): number => {
  const readings = count - lost.reduce((sum, loss) => sum + loss.count, 0);
  if (readings < 1) throw malformed("count", "at least one number that is not lost");
  if (readings > PACK_READINGS_MAX) throw overLimit("count", PACK_READINGS_MAX);
  return readings;
};

const receive = (
  content: JsonObject,
  form: ReceivedTelemetry["form"],
  range: ReceivedRange,
  readings: readonly PackReading[],
): ReceivedTelemetry => {
  const nextSeq = sequenceOf(range.seq, range.lost);
  return {
    ...range,
    form,
    clock: CLOCKS.find((state) => state === content["clock"]) ?? "unset",
    monoMs: integerOr(content["mono"], 0),
    offsetMs: integerOr(content["offset"], 0),
    historical: content["historical"] === true,
    readings: readings.map(
      ({ name, timeMs, unit, value }): ReceivedReading => ({
        seq: nextSeq(),
        name,
        unit: unit ?? null,
        timeMs,
        value,
      }),
    ),
  };
};

const knownEncoding = (content: JsonObject): string => {
  const encoding = content["encoding"];
  if (typeof encoding === "string" && isKnownEncoding(encoding)) return encoding;
  throw new TelemetryError(
    "ENCODING",
    `telemetry: found encoding ${JSON.stringify(encoding ?? null).slice(0, 80)}, which this version does not know`,
  );
};

const dataBytes = (data: JsonValue | undefined): Uint8Array => {
  if (typeof data !== "string") throw malformed("data", "base64, or the pack in an attachment (file, url)");
  try {
    return decodeBase64(data);
  } catch (error) {
    throw new TelemetryError("MALFORMED", "telemetry: data: expected base64", { cause: error });
  }
};

/** Where the readings lie if the content is in the `file` form; null if it is not. Throws `TelemetryError`. */
export const telemetryFile = (content: JsonObject): TelemetryFile | null => {
  const { file, url } = content;
  if (file === undefined && url === undefined) return null;
  const encrypted = isObject(file) ? file : null;
  const address = encrypted === null ? url : encrypted["url"];
  if (typeof address !== "string" || !address.startsWith("mxc://"))
    throw malformed(encrypted === null ? "url" : "file.url", "an mxc:// address");
  return { url: address, encrypted };
};

/** The readings of the `file` form, from the bytes of its attachment, decrypted. Throws `TelemetryError`. */
export const parseFile = (content: JsonObject, bytes: Uint8Array): ReceivedTelemetry => {
  const range = parseRange(content);
  const encoding = knownEncoding(content);
  return receive(content, "file", range, decodePack(encoding, bytes, expectedReadings(range)));
};

/** Reads a content whose readings are in the event: `plain` or `pack`. Throws `TelemetryError`; FILE where they lie in an attachment (`readTelemetry`). */
export const parseTelemetry = (content: JsonObject): ReceivedTelemetry => {
  const range = parseRange(content);
  if (content["encoding"] === undefined) {
    const { readings } = content;
    if (!Array.isArray(readings)) throw malformed("readings", "a list");
    return receive(content, "plain", range, readings.map(parsePlainReading));
  }
  const encoding = knownEncoding(content);
  if (telemetryFile(content) !== null)
    throw new TelemetryError(
      "FILE",
      `telemetry: ${range.count} readings lie in an attachment, which was not fetched`,
    );
  const bytes = dataBytes(content["data"]);
  return receive(content, "pack", range, decodePack(encoding, bytes, expectedReadings(range)));
};

const fetched = async (fetchFile: FetchFile, file: TelemetryFile): Promise<Uint8Array> => {
  try {
    return await fetchFile(file, PACK_BYTES_MAX);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TelemetryError("FILE", `telemetry: the attachment could not be read: ${why}`, { cause: error });
  }
};

/** Reads a content in any form; an attachment is fetched by `fetchFile`. Rejects with `TelemetryError`. */
export const readTelemetry = async (
  content: JsonObject,
  fetchFile: FetchFile,
): Promise<ReceivedTelemetry> => {
  const file = content["encoding"] === undefined ? null : telemetryFile(content);
  if (file === null) return parseTelemetry(content);
  // What cannot be read anyway is not downloaded.
  knownEncoding(content);
  expectedReadings(parseRange(content));
  return parseFile(content, await fetched(fetchFile, file));
};

/** Reads the content of `<namespace>.loss`. Throws `TelemetryError`. */
export const parseLoss = (content: JsonObject): ReceivedRange => parseRange(content);
