// JSON as the homeserver sees it: typed access to what a client sent, and what servers enforce on events
// (Client-Server API, "Canonical JSON": integers within +-(2^53-1), no floats; keys sorted, no spaces).

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const objectAt = (from: JsonObject, key: string): JsonObject | null => {
  const value = from[key];
  return isObject(value) ? value : null;
};

export const stringAt = (from: JsonObject, key: string): string | null => {
  const value = from[key];
  return typeof value === "string" ? value : null;
};

export const numberAt = (from: JsonObject, key: string): number | null => {
  const value = from[key];
  return typeof value === "number" ? value : null;
};

export const listAt = (from: JsonObject, key: string): Json[] | null => {
  const value = from[key];
  return Array.isArray(value) ? value : null;
};

export const stringsAt = (from: JsonObject, key: string): string[] | null => {
  const list = listAt(from, key);
  return list === null ? null : list.filter((entry) => typeof entry === "string");
};

/** A copy that shares nothing, so that a reply built later cannot be changed by what comes meanwhile. */
export const copyOf = <T extends Json>(value: T): T => structuredClone(value);

const byCodePoint = (left: string, right: string): number =>
  Buffer.compare(Buffer.from(left, "utf8"), Buffer.from(right, "utf8"));

export const canonicalJson = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).sort(([left], [right]) => byCodePoint(left, right));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(",")}}`;
};

const STRINGS = /"(?:[^"\\]|\\.)*"/g;
const FLOAT = /\d[.eE]/;

/** `21.0` and `1e3` are floats on the wire, which JSON.parse hides: look at the text, strings left out. */
export const holdsFloat = (text: string): boolean => FLOAT.test(text.replace(STRINGS, '""'));

/** The first integer outside +-(2^53-1), or null. */
export const unsafeInteger = (value: Json): number | null => {
  if (typeof value === "number") return Number.isSafeInteger(value) ? null : value;
  if (value === null || typeof value !== "object") return null;
  for (const member of Object.values(value)) {
    const found = unsafeInteger(member);
    if (found !== null) return found;
  }
  return null;
};
