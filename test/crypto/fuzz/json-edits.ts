// JSON documents edited by bytes: an input names a document and then edits of it, so that a mutation of the bytes is a mutation of the JSON and stays JSON.
//
//   [document] ([step]* [operation] [argument])*     a step at a container with n members: 0..n-1 goes in, n stops; bytes that run out are zeros
//
// Edits are made on copies; members are made as own ones, `__proto__` too, as JSON.parse makes them.
import { isJsonObject, type JsonObject } from "#crypto/shape.ts";
import type { Bytes } from "./harness.ts";

const EDITS_MAX = 6;
const STEPS_MAX = 12;

const nested = (levels: number, open: string, close: string): unknown =>
  JSON.parse(`${open.repeat(levels)}1${close.repeat(levels)}`) as unknown;

/** What is put in the place of something. Cheap to keep: the same values again and again. */
const HOSTILE: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  2 ** 53,
  1e300,
  0.5,
  "",
  "x",
  "__proto__",
  "constructor",
  "\ud800",
  "\u0000",
  "'; DROP TABLE machine; --",
  "A".repeat(43),
  "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "A".repeat(200_000),
  "@alice:example.org",
  "@bob:example.org",
  "BOB",
  "ALICE",
  [],
  {},
  [null],
  JSON.parse('{"__proto__":{"polluted":true}}') as unknown,
  JSON.parse('{"constructor":{"prototype":{"polluted":true}}}') as unknown,
  Array.from({ length: 2_000 }, () => null),
  nested(100, "[", "]"),
  nested(1_000, '{"a":', "}"),
];
const NAMES = [
  "__proto__",
  "constructor",
  "toString",
  "",
  "x",
  "ed25519:x",
  "\ud800",
  "hasOwnProperty",
] as const;

type Read = () => number;
const reader = (input: Bytes): { read: Read; over: () => boolean } => {
  let at = 0;
  return {
    read: () => {
      const byte = input[at] ?? 0;
      at += 1;
      return byte;
    },
    over: () => at >= input.length,
  };
};

const pick = <T>(items: readonly T[], byte: number): T => {
  const item = items[byte % items.length];
  // `byte` is a number, `items` is not empty.
  return item as T;
};

const editText = (text: string, read: Read): string => {
  const at = text.length === 0 ? 0 : ((read() << 8) | read()) % text.length;
  const how = read() % 4;
  if (how === 0) return text.slice(0, at);
  if (how === 1) return text + text.slice(at);
  const code = how === 2 ? read() : text.charCodeAt(at) ^ 1;
  return text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
};

/** The members of a container, changed. */
const withMembers = (
  value: unknown,
  change: (members: [string, unknown][]) => [string, unknown][],
): unknown => {
  if (Array.isArray(value)) {
    const members = (value as unknown[]).map((inner, at): [string, unknown] => [String(at), inner]);
    return change(members).map(([, inner]) => inner);
  }
  return Object.fromEntries(change(Object.entries(value as JsonObject)));
};

const editHere = (value: unknown, read: Read, others: readonly unknown[]): unknown => {
  switch (read() % 8) {
    case 0:
      return typeof value === "string" ? editText(value, read) : pick(HOSTILE, read());
    case 1:
    case 2:
      return pick(HOSTILE, read());
    case 3:
      return pick(others, read());
    case 4:
      return read() % 2 === 0 ? [value] : { [pick(NAMES, read())]: value };
    default:
      break;
  }
  if (!isJsonObject(value) && !Array.isArray(value))
    return typeof value === "string" ? editText(value, read) : pick(HOSTILE, read());
  const at = read();
  return withMembers(value, (members) => {
    const index = members.length === 0 ? 0 : at % members.length;
    const [name, inner] = members[index] ?? ["x", null];
    const rest = members.filter((_, place) => place !== index);
    const how = read() % 3;
    if (how === 0) return rest;
    const other = pick(NAMES, read());
    return how === 1
      ? [...members, [other, inner]]
      : [...rest, [other, inner], [name, pick(HOSTILE, read())]];
  });
};

const edit = (value: unknown, read: Read, others: readonly unknown[], steps: number): unknown => {
  const isContainer = isJsonObject(value) || Array.isArray(value);
  if (!isContainer || steps === 0) return editHere(value, read, others);
  const names = Object.keys(value);
  const step = read() % (names.length + 1);
  if (step === names.length) return editHere(value, read, others);
  return withMembers(value, (members) =>
    members.map(([name, inner], at) => [name, at === step ? edit(inner, read, others, steps - 1) : inner]),
  );
};

/** The document that the bytes name, with the edits that they describe. */
export const edited = (documents: readonly unknown[], input: Bytes): unknown => {
  const { over, read } = reader(input);
  let value = pick(documents, read());
  for (let edits = 0; edits < EDITS_MAX && !over(); edits += 1)
    value = edit(value, read, documents, STEPS_MAX);
  return value;
};

/** Inputs to begin with: each document as it is, and some with edits. */
export const seedsFor = (documents: readonly unknown[]): Bytes[] =>
  documents.flatMap((_, at) => [
    Uint8Array.of(at),
    Uint8Array.of(at, 0, 0, 1, 3),
    Uint8Array.of(at, 2, 1, 0, 0, 5, 1, 2, 0, 2, 1, 9),
    Uint8Array.of(at, 1, 1, 1, 1, 0, 0, 40, 3, 2, 2, 0, 6, 1, 2, 3, 4, 5),
  ]);
