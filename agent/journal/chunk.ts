// The bytes of a chunk, before they are sealed: one byte of format, then JSON, deflated where that pays. Names and units once, times as differences.
//   01 | JSON      02 | deflate(JSON)      [ ...: JSON of the first version, one array a reading
//   {"k":[[name, unit?], ...], "t":time_ms, "m":mono_ms, "r":[k, +time, +mono, value, ...]}   bytes as {"b": base64}
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Vault } from "#agent/store/store.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { CHUNK_PLAIN_BYTES_MAX, DEFLATE_BYTES_MIN } from "./limits.ts";
import { CHUNK_CONTEXT } from "./tables.ts";

type Cell = string | number | boolean | { readonly b: string } | null;

const PLAIN = 1;
const DEFLATED = 2;
const FIRST_VERSION = 0x5b; // [
const CELLS = 4;
/** Fast: chunks are small, and better levels save a few per cent. */
const LEVEL = 4;

const encodeValue = (value: StampedReading["value"]): Cell =>
  value instanceof Uint8Array ? { b: Buffer.from(value).toString("base64") } : value;

const jsonOf = (readings: readonly StampedReading[]): string => {
  const keys: string[][] = [];
  const known = new Map<string, number>();
  const cells: Cell[] = [];
  const [first] = readings;
  let time = first?.timeMs ?? 0;
  let mono = first?.monoMs ?? 0;
  for (const { monoMs, name, timeMs, unit, value } of readings) {
    const key = unit === undefined ? name : `${name} ${unit}`;
    const index = known.get(key) ?? keys.push(unit === undefined ? [name] : [name, unit]) - 1;
    known.set(key, index);
    cells.push(index, timeMs - time, monoMs - mono, encodeValue(value));
    time = timeMs;
    mono = monoMs;
  }
  return JSON.stringify({ k: keys, t: first?.timeMs ?? 0, m: first?.monoMs ?? 0, r: cells });
};

const framed = (format: number, body: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(body.length + 1);
  bytes[0] = format;
  bytes.set(body, 1);
  return bytes;
};

export const encodeChunk = (readings: readonly StampedReading[]): Uint8Array => {
  const json = new TextEncoder().encode(jsonOf(readings));
  if (json.length < DEFLATE_BYTES_MIN) return framed(PLAIN, json);
  const deflated = deflateRawSync(json, { level: LEVEL });
  return deflated.length < json.length ? framed(DEFLATED, deflated) : framed(PLAIN, json);
};

const broken = (): Error =>
  new Error("journal: a chunk that opened under its seal holds something that is no reading");

const parseValue = (cell: unknown): StampedReading["value"] => {
  if (typeof cell === "string" || typeof cell === "number" || typeof cell === "boolean") return cell;
  if (typeof cell === "object" && cell !== null && "b" in cell)
    return new Uint8Array(Buffer.from(String(cell.b), "base64"));
  throw broken();
};

const readingOf = (
  name: unknown,
  timeMs: unknown,
  monoMs: unknown,
  value: unknown,
  unit: unknown,
): StampedReading => {
  if (typeof name !== "string" || typeof timeMs !== "number" || typeof monoMs !== "number") throw broken();
  const reading = { name, timeMs, monoMs, value: parseValue(value) };
  return typeof unit === "string" ? { ...reading, unit } : reading;
};

const parseFirstVersion = (rows: unknown): StampedReading[] => {
  if (!Array.isArray(rows)) throw broken();
  return rows.map((row: unknown) => {
    const [name, timeMs, monoMs, value, unit] = Array.isArray(row) ? (row as readonly unknown[]) : []; // Array.isArray loses `unknown`
    return readingOf(name, timeMs, monoMs, value, unit);
  });
};

const listOf = (value: unknown): readonly unknown[] => {
  if (!Array.isArray(value)) throw broken();
  return value as readonly unknown[]; // Array.isArray loses `unknown`
};

const parseColumns = (parsed: unknown): StampedReading[] => {
  if (typeof parsed !== "object" || parsed === null || !("k" in parsed && "t" in parsed && "r" in parsed))
    throw broken();
  const keys = listOf(parsed.k).map(listOf);
  const cells = listOf(parsed.r);
  let time = Number(parsed.t);
  let mono = Number("m" in parsed ? parsed.m : 0);
  const readings: StampedReading[] = [];
  for (let at = 0; at + CELLS <= cells.length; at += CELLS) {
    const [name, unit] = keys[Number(cells[at])] ?? [];
    time += Number(cells[at + 1]);
    mono += Number(cells[at + 2]);
    readings.push(readingOf(name, time, mono, cells[at + 3], unit));
  }
  return readings;
};

const textOf = (data: Uint8Array): string => new TextDecoder().decode(data);

/** Reads what `encodeChunk` wrote; only ever fed with what opened under the store's seal. */
export const parseChunk = (data: Uint8Array): StampedReading[] => {
  switch (data[0]) {
    case FIRST_VERSION:
      return parseFirstVersion(JSON.parse(textOf(data)));
    case PLAIN:
      return parseColumns(JSON.parse(textOf(data.subarray(1))));
    case DEFLATED:
      return parseColumns(
        JSON.parse(textOf(inflateRawSync(data.subarray(1), { maxOutputLength: CHUNK_PLAIN_BYTES_MAX }))),
      );
    default:
      throw broken();
  }
};

/** Null: the disk changed it. */
export const openReadings = (vault: Vault, sealed: Uint8Array): StampedReading[] | null => {
  try {
    return parseChunk(vault.open(CHUNK_CONTEXT, sealed));
  } catch {
    return null;
  }
};
