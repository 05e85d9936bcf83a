// The bytes of a chunk, before they are sealed: JSON, one short array a reading.
//   [[name, time_ms, mono_ms, value, unit?], ...]   bytes as {"b": base64}
import type { StampedReading } from "#agent/telemetry/reading.ts";

type Cell = string | number | boolean | { readonly b: string } | null;

const encodeValue = (value: StampedReading["value"]): Cell =>
  value instanceof Uint8Array ? { b: Buffer.from(value).toString("base64") } : value;

export const encodeChunk = (readings: readonly StampedReading[]): Uint8Array =>
  new TextEncoder().encode(
    JSON.stringify(
      readings.map(({ name, timeMs, monoMs, value, unit }) => {
        const row: Cell[] = [name, timeMs, monoMs, encodeValue(value)];
        return unit === undefined ? row : [...row, unit];
      }),
    ),
  );

const parseRow = (row: unknown): StampedReading => {
  const [name, timeMs, monoMs, value, unit] = Array.isArray(row) ? (row as readonly unknown[]) : []; // Array.isArray loses `unknown`
  const bytes = typeof value === "object" && value !== null && "b" in value ? String(value.b) : null;
  const known = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  if (
    typeof name !== "string" ||
    typeof timeMs !== "number" ||
    typeof monoMs !== "number" ||
    (bytes === null && !known)
  )
    throw new Error("journal: a chunk that opened under its seal holds something that is no reading");
  return {
    name,
    timeMs,
    monoMs,
    value:
      bytes === null ? (value as string | number | boolean) : new Uint8Array(Buffer.from(bytes, "base64")), // checked by `known`
    ...(typeof unit === "string" ? { unit } : {}),
  };
};

/** Reads what `encodeChunk` wrote; only ever fed with what opened under the store's seal. */
export const parseChunk = (data: Uint8Array): StampedReading[] => {
  const rows: unknown = JSON.parse(new TextDecoder().decode(data));
  if (!Array.isArray(rows)) throw new Error("journal: a chunk that opened under its seal holds no list");
  return rows.map(parseRow);
};
