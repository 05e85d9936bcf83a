// The naive twin of the message layouts: enough to see a message's ratchet key and index, and to damage it.
import type { Random } from "./random.ts";

const fromBase64 = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, "base64"));
const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64").replace(/=+$/, "");

/** Reads the varint at `at`: its value and the place after it. */
const varint = (bytes: Uint8Array, at: number): [number, number] => {
  let value = 0;
  for (let i = at, scale = 1; ; i += 1, scale *= 128) {
    const byte = bytes[i];
    if (byte === undefined) throw new RangeError("varint beyond the end");
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return [value, i + 1];
  }
};

type Field = { readonly tag: number; readonly value: number; readonly from: number; readonly to: number };

/** The fields of a message after its version byte, up to `end`. */
const fields = (bytes: Uint8Array, start: number, end: number): Field[] => {
  const found: Field[] = [];
  let at = start + 1;
  while (at < end) {
    const tag = bytes[at] ?? 0;
    const [value, after] = varint(bytes, at + 1);
    const to = (tag & 7) === 2 ? after + value : after;
    found.push({ tag, value, from: after, to });
    at = to;
  }
  return found;
};

const one = (list: readonly Field[], tag: number): Field => {
  const field = list.find((candidate) => candidate.tag === tag);
  if (field === undefined) throw new RangeError(`no field with tag ${tag}`);
  return field;
};

const OLM_MAC_BYTES = 8;

/** Where the authenticated Olm message lies in `bytes`: a pre-key message (type 0) wraps it as field 0x22. */
const innerRange = (bytes: Uint8Array, type: number): { from: number; to: number } =>
  type === 0 ? one(fields(bytes, 0, bytes.length), 0x22) : { from: 0, to: bytes.length };

export type OlmHead = { readonly ratchetKey: string; readonly counter: number };

export const olmHead = (type: number, body: string): OlmHead => {
  const bytes = fromBase64(body);
  const { from, to } = innerRange(bytes, type);
  const found = fields(bytes, from, to - OLM_MAC_BYTES);
  const key = one(found, 0x0a);
  return { ratchetKey: toBase64(bytes.subarray(key.from, key.to)), counter: one(found, 0x10).value };
};

/** Flips one bit in what is authenticated; the outer pre-key fields carry no MAC, so they are left alone. */
export const tamperOlm = (type: number, body: string, random: Random): string => {
  const bytes = fromBase64(body);
  const { from, to } = innerRange(bytes, type);
  const at = from + random.int(to - from);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8));
  return toBase64(bytes);
};

/** Flips one bit anywhere in a Megolm message: all of it is signed, or is the signature. */
export const tamperMegolm = (body: string, random: Random): string => {
  const bytes = fromBase64(body);
  const at = random.int(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8));
  return toBase64(bytes);
};
