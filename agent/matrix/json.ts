// Looking into JSON that somebody else wrote: each reader takes anything and gives a value of the asked kind, or null.
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

/** The text as JSON, or undefined when it is none (null is JSON). */
export const parseJson = (text: string): JsonValue | undefined => {
  try {
    // JSON.parse gives nothing but JsonValues.
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
};
