// Readings as lines for other programs: JSON lines, CSV (RFC 4180), InfluxDB's line protocol. Nothing is rounded; what a format cannot say is said in docs/cli.md.
import { encodeDecimal } from "#agent/telemetry/decimal.ts";
import type { ReceivedReading } from "#agent/telemetry/received.ts";

export const FORMATS = ["jsonl", "csv", "influx"] as const;
export type Format = (typeof FORMATS)[number];

/** Where readings come from. A bare pack says neither. */
export interface Origin {
  readonly device: string | null;
  readonly stream: string | null;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

/** JSON with its numbers as they are: `JSON.stringify` writes -0 as 0. */
const jsonValue = (value: ReceivedReading["value"]): string => {
  if (typeof value === "number") return `"v":${encodeDecimal(value) ?? "null"}`;
  if (typeof value === "boolean") return `"vb":${value}`;
  return typeof value === "string"
    ? `"vs":${JSON.stringify(value)}`
    : `"vd":${JSON.stringify(base64(value))}`;
};

/** {"device","stream","seq","n","u","t","v" | "vb" | "vs" | "vd"}: SenML's labels, `t` in ms since the epoch. */
const jsonLine = ({ device, stream }: Origin, reading: ReceivedReading): string => {
  const { name, seq, timeMs, unit, value } = reading;
  const head = {
    ...(device === null ? {} : { device }),
    ...(stream === null ? {} : { stream }),
    seq,
    n: name,
    ...(unit === null ? {} : { u: unit }),
    t: timeMs,
  };
  return `${JSON.stringify(head).slice(0, -1)},${jsonValue(value)}}`;
};

const plainText = (value: ReceivedReading["value"]): string => {
  if (typeof value === "number") return encodeDecimal(value) ?? "";
  return value instanceof Uint8Array ? base64(value) : String(value);
};

const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const csvLine = ({ device, stream }: Origin, { name, seq, timeMs, unit, value }: ReceivedReading): string =>
  [device ?? "", stream ?? "", String(seq), String(timeMs), name, unit ?? "", plainText(value)]
    .map(cell)
    .join(",");

/** Line protocol knows no line breaks but in string fields; a backslash at an end would take the separator with it. */
const tag = (text: string): string =>
  text
    .replaceAll(/[\r\n]/g, " ")
    .replaceAll(/[,= ]/g, "\\$&")
    .replace(/\\$/, "\\ ");

const field = (value: ReceivedReading["value"]): string => {
  if (typeof value === "number") return `value=${encodeDecimal(value) ?? "0"}`;
  if (typeof value === "boolean") return `flag=${value}`;
  const text = typeof value === "string" ? value : base64(value);
  const key = typeof value === "string" ? "text" : "data";
  return `${key}="${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
};

const influxLine = ({ device, stream }: Origin, reading: ReceivedReading): string => {
  const { name, seq, timeMs, unit, value } = reading;
  const tags = [
    ["device", device],
    ["stream", stream],
    ["unit", unit],
  ].flatMap(([key, text]) =>
    text === null || text === undefined || text === "" ? [] : [`,${key}=${tag(text)}`],
  );
  // Nanoseconds. Its own points are told apart by time and tags: the number keeps two readings of one millisecond apart for a reader.
  return `${tag(name)}${tags.join("")} ${field(value)},seq=${seq}i ${timeMs}000000`;
};

const LINE = { jsonl: jsonLine, csv: csvLine, influx: influxLine } as const;

/** What stands before the first line; null for nothing. */
export const headerOf = (format: Format): string | null =>
  format === "csv" ? "device,stream,seq,time_ms,name,unit,value" : null;

export const lineOf = (format: Format, origin: Origin, reading: ReceivedReading): string =>
  LINE[format](origin, reading);
