// Reading untyped JSON (event contents, account data, key files) and UTF-8 without trusting either.
// Only own properties are seen: a hostile object's `__proto__` is a key like any other (CVE-2023-28427 and its class).
import { CryptoError } from "./errors.ts";
import { CANONICAL_JSON_DEPTH_MAX } from "./limits.ts";

/** A JSON object whose members are not yet known. */
export type JsonObject = { readonly [key: string]: unknown };

/** Whether it is a JSON object: neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @throws CryptoError FORMAT when it is no JSON object; `what` names it in the message. */
export function requireObject(value: unknown, what: string): JsonObject {
  if (!isJsonObject(value))
    throw new CryptoError("FORMAT", `${what}: expected an object, found ${kindOf(value)}`);
  return value;
}

/** An own member, or undefined. */
export function member(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** An own member that is an object. @throws CryptoError FORMAT */
export function objectMember(object: JsonObject, key: string, what: string): JsonObject {
  return requireObject(member(object, key), `${what}.${key}`);
}

/** An own member that is a string. The message names its kind, never its value. @throws CryptoError FORMAT */
export function stringMember(object: JsonObject, key: string, what: string): string {
  const value = member(object, key);
  if (typeof value !== "string") {
    throw new CryptoError("FORMAT", `${what}.${key}: expected a string, found ${kindOf(value)}`);
  }
  return value;
}

/** An own member that is a string, or undefined where there is none. @throws CryptoError FORMAT when it is anything else. */
export function optionalString(object: JsonObject, key: string, what: string): string | undefined {
  return member(object, key) === undefined ? undefined : stringMember(object, key, what);
}

/** Bytes of exactly this length. @throws CryptoError FORMAT */
export function requireBytes(bytes: Uint8Array, length: number, what: string): Uint8Array {
  if (bytes.length !== length) {
    throw new CryptoError("FORMAT", `${what}: expected ${length} bytes, found ${bytes.length}`);
  }
  return bytes;
}

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Strict UTF-8 to text; a byte order mark is a character like any other. @throws CryptoError FORMAT */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // The cause says nothing more, and an engine's message might quote the bytes.
    throw new CryptoError("FORMAT", `${what}: expected UTF-8, found bytes that are not`);
  }
}

/**
 * JSON to a value. The parser's own message quotes the text, which may be a secret: it is left out.
 * Nesting is bounded as canonical JSON is: what JSON.parse reads without end, whoever stores or copies it by recursion cannot bear.
 *
 * @throws CryptoError FORMAT
 */
export function parseJson(text: string, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CryptoError("FORMAT", `${what}: expected JSON, found text that is not`);
  }
  if (isDeeper(value, CANONICAL_JSON_DEPTH_MAX))
    throw new CryptoError(
      "FORMAT",
      `${what}: expected at most ${CANONICAL_JSON_DEPTH_MAX} levels of nesting, found more`,
    );
  return value;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

/** Several byte strings as one. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
