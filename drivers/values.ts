// From what stands in a message to the value of a reading: conversions that either succeed or say what was expected and found.
import type { Value } from "./driver.ts";
import { VALUE_BYTES_MAX } from "./limits.ts";
import { parseDecimal } from "./payload.ts";

export type ValueType = "number" | "string" | "boolean" | "bytes";

/** What a rule says of a value. */
export interface Conversion {
  readonly type?: ValueType | undefined;
  readonly scale?: number | undefined;
  readonly offset?: number | undefined;
}

/** A name, a value, or a sentence about why there is none. */
export type Outcome<T> = { readonly ok: T } | { readonly wrong: string };

/** A value for a message to the operator, never all of a long one. */
export const shown = (value: unknown): string => {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
};

const TRUE_WORDS = new Set(["true", "1", "on", "yes"]);
const FALSE_WORDS = new Set(["false", "0", "off", "no"]);

/** A finite number, also from decimal text. */
export const toNumber = (raw: unknown): number | null => {
  if (typeof raw === "number") return Number.isFinite(raw) ? raw : null;
  return typeof raw === "string" ? parseDecimal(raw) : null;
};

const toBoolean = (raw: unknown): boolean | null => {
  if (typeof raw === "boolean") return raw;
  if (typeof raw !== "string" && typeof raw !== "number") return null;
  const word = String(raw).trim().toLowerCase();
  if (TRUE_WORDS.has(word)) return true;
  return FALSE_WORDS.has(word) ? false : null;
};

/** Text, also of a number or truth value. */
export const toText = (raw: unknown): string | null => {
  if (typeof raw === "string") return raw;
  return typeof raw === "number" || typeof raw === "boolean" ? String(raw) : null;
};

const toBytes = (raw: unknown): Uint8Array | null => {
  if (raw instanceof Uint8Array) return raw;
  return typeof raw === "string" ? new TextEncoder().encode(raw) : null;
};

const asItComes = (raw: unknown): Value | null => {
  if (typeof raw === "string") return parseDecimal(raw) ?? raw;
  if (typeof raw === "boolean" || raw instanceof Uint8Array) return raw;
  return toNumber(raw);
};

const CONVERT: Readonly<Record<ValueType, (raw: unknown) => Value | null>> = {
  number: toNumber,
  boolean: toBoolean,
  string: toText,
  bytes: toBytes,
};

const sizeOf = (value: Value): number => {
  if (typeof value === "string") return Buffer.byteLength(value);
  return value instanceof Uint8Array ? value.length : 8;
};

/** The value of a reading from what stands in the message: of the type that is asked for, scaled, of bearable size; or why there is none. */
export const convert = (rule: Conversion, raw: unknown): Outcome<Value> => {
  const value = rule.type === undefined ? asItComes(raw) : CONVERT[rule.type](raw);
  if (value === null)
    return { wrong: `expected a ${rule.type ?? "number, string or boolean"}, found ${shown(raw)}` };
  if (sizeOf(value) > VALUE_BYTES_MAX)
    return { wrong: `expected a value of at most ${VALUE_BYTES_MAX} bytes, found ${sizeOf(value)}` };
  if (typeof value !== "number") return { ok: value };
  const scaled = value * (rule.scale ?? 1) + (rule.offset ?? 0);
  return Number.isFinite(scaled) ? { ok: scaled } : { wrong: `${shown(raw)} is out of range once scaled` };
};
