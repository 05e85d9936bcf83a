// Canonical JSON: the one text of a JSON value that is signed and hashed (specification, appendices: Canonical JSON; the whole of it).
// Keys by code point (the order of their UTF-8 bytes, not JavaScript's order of UTF-16 units), no white space, shortest escapes,
// integers of +-(2^53 - 1) only.
//
// Decisions where the specification is silent:
// - A lone surrogate has no UTF-8 form, so two implementations would sign different bytes for it: refused.
// - Own enumerable properties only: `__proto__` is a key like any other, and nothing inherited is ever written.
// - `undefined`, functions, symbols, bigints, holes, class instances (a Date, a Map, bytes) are refused, not dropped or converted:
//   what is signed must be what JSON.stringify sends.
// - `toJSON` is not called: the text must come from what the object holds, not from what it says of itself.
import { CryptoError } from "./errors.ts";
import { CANONICAL_JSON_DEPTH_MAX } from "./limits.ts";

/**
 * The canonical JSON text of a value as JSON.parse gives it. `-0` becomes `0`, `1.0` becomes `1`.
 *
 * @throws CryptoError FORMAT for a float, an integer beyond +-(2^53 - 1), a lone surrogate, nesting deeper than
 *   CANONICAL_JSON_DEPTH_MAX (a cycle ends there too) and anything that is not JSON. The message names the place.
 */
export function canonicalJson(value: unknown): string {
  return write(value, { depth: 0, path: null });
}

/** The UTF-8 bytes of {@link canonicalJson}: what is hashed and signed. @throws CryptoError FORMAT */
export function canonicalJsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(canonicalJson(value));
}

/** Orders two strings by code point, as their UTF-8 bytes order. Negative, zero or positive. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return codePointRank(left) - codePointRank(right);
  }
  return a.length - b.length;
}

/** Where a value stands: a list from the inside out, turned into text only for an error. */
interface Place {
  readonly depth: number;
  readonly path: { readonly key: string | number; readonly outer: Place } | null;
}

/** A surrogate (half of a code point beyond U+FFFF) ranks above U+E000 to U+FFFF, which it precedes in UTF-16. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

function write(value: unknown, place: Place): string {
  switch (typeof value) {
    case "string":
      return writeString(value, place);
    case "number":
      return writeInteger(value, place);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      if (place.depth >= CANONICAL_JSON_DEPTH_MAX) {
        throw fault(
          `nesting of at most ${CANONICAL_JSON_DEPTH_MAX} levels`,
          "deeper nesting, or a cycle",
          place,
        );
      }
      return Array.isArray(value) ? writeArray(value, place) : writeObject(value, place);
    case "undefined":
    case "function":
    case "symbol":
    case "bigint":
      throw fault("a JSON value", typeof value, place);
  }
}

function writeString(text: string, place: Place): string {
  if (!text.isWellFormed()) throw fault("text of whole Unicode characters", "a lone surrogate", place);
  // JSON.stringify writes just the escapes that the specification asks for: \" \\ \b \t \n \f \r and lower-case \u00xx.
  return JSON.stringify(text);
}

function writeInteger(value: number, place: Place): string {
  if (!Number.isSafeInteger(value)) throw fault("an integer of at most 53 bits", String(value), place);
  // String(-0) is "0", as the specification wants it.
  return String(value);
}

function writeArray(items: readonly unknown[], place: Place): string {
  let text = "[";
  for (let i = 0; i < items.length; i++) {
    if (i > 0) text += ",";
    text += write(items[i], inside(place, i));
  }
  return `${text}]`;
}

function writeObject(object: object, place: Place): string {
  if (!isPlain(object)) throw fault("a plain object", "an instance of a class", place);
  let text = "{";
  for (const key of sortedKeys(object)) {
    const within = inside(place, key);
    // Object.keys gave the key, so it is an own property; the type of its value is open.
    const value = (object as Record<string, unknown>)[key];
    if (text.length > 1) text += ",";
    text += `${writeString(key, within)}:${write(value, within)}`;
  }
  return `${text}}`;
}

/** Plain: made by a literal, by JSON.parse (of any realm), or without a prototype. */
function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  return prototype === null || (typeof prototype === "object" && Object.getPrototypeOf(prototype) === null);
}

function sortedKeys(object: object): string[] {
  const keys = Object.keys(object);
  // The two orders differ only where a key has a unit of U+D800 or above: rare, and the engine's own order is fast.
  return keys.some((key) => /[\ud800-\uffff]/.test(key)) ? keys.sort(compareCodePoints) : keys.sort();
}

function inside(outer: Place, key: string | number): Place {
  return { depth: outer.depth + 1, path: { key, outer } };
}

function fault(expected: string, found: string, place: Place): CryptoError {
  return new CryptoError(
    "FORMAT",
    `canonical JSON: expected ${expected}; found ${found} at ${describe(place)}`,
  );
}

function describe(place: Place): string {
  const keys: string[] = [];
  for (let at: Place = place; at.path !== null; at = at.path.outer) {
    keys.unshift(
      typeof at.path.key === "number" ? `[${at.path.key}]` : `.${at.path.key.toWellFormed().slice(0, 40)}`,
    );
  }
  const whole = `$${keys.join("")}`;
  return whole.length <= 200 ? whole : `$...${whole.slice(-190)}`;
}
