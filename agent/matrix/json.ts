// Looking into JSON that somebody else wrote: each reader takes anything and gives a value of the asked kind, or null.
import { NESTING_MAX } from "./limits.ts";
import type { JsonObject, JsonValue } from "./types.ts";

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Own properties only: a key such as "constructor" is found nowhere else. */
export const field = (object: JsonObject, key: string): JsonValue | undefined =>
  Object.hasOwn(object, key) ? object[key] : undefined;

export const asObject = (value: JsonValue | undefined): JsonObject | null => (isObject(value) ? value : null);

export const asString = (value: JsonValue | undefined): string | null =>
  typeof value === "string" ? value : null;

export const asInteger = (value: JsonValue | undefined): number | null =>
  typeof value === "number" && Number.isSafeInteger(value) ? value : null;

/** An absent, null or odd list is an empty one: Dendrite sends null where the specification says a list. */
export const asList = (value: JsonValue | undefined): readonly JsonValue[] =>
  // Array.isArray narrows a readonly array to any[]; a JsonValue that is an array is an array of JsonValue.
  Array.isArray(value) ? (value as readonly JsonValue[]) : [];

export const objectsOf = (value: JsonValue | undefined): readonly JsonObject[] =>
  asList(value).filter(isObject);

export const stringsOf = (value: JsonValue | undefined): readonly string[] =>
  asList(value).filter((entry) => typeof entry === "string");

/** The object at `path`, or an empty one. */
export const objectAt = (root: JsonObject, ...path: readonly string[]): JsonObject => {
  let at: JsonObject = root;
  for (const key of path) at = asObject(field(at, key)) ?? {};
  return at;
};

const isDeeper = (value: JsonValue | undefined, levels: number): boolean => {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((inner) => isDeeper(inner, levels - 1));
};

/** The value down to so many levels; what lies deeper is null. */
const cutBelow = (value: JsonValue, levels: number): JsonValue => {
  if (typeof value !== "object" || value === null) return value;
  if (levels === 0) return null;
  // Array.isArray narrows a readonly array to any[], as above.
  if (Array.isArray(value))
    return (value as readonly JsonValue[]).map((inner) => cutBelow(inner, levels - 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner = null]) => [key, cutBelow(inner, levels - 1)]),
  );
};

/**
 * The text as JSON, or undefined when it is none (null is JSON). What is nested beyond any Matrix event becomes null: JSON.parse takes a hundred thousand levels,
 * JSON.stringify throws at five thousand, so one such event would end whoever wants to store it, at each start anew.
 */
export const parseJson = (text: string): JsonValue | undefined => {
  try {
    // JSON.parse gives nothing but JsonValues.
    const value = JSON.parse(text) as JsonValue;
    return isDeeper(value, NESTING_MAX) ? cutBelow(value, NESTING_MAX) : value;
  } catch {
    return undefined;
  }
};
