// The part of protobuf's encoding that Olm and Megolm messages use (specification: Olm, "Message format"; Megolm, "Message format"):
// a version byte, then fields of one tag byte each, varints of at most 32 bits and byte strings with a length in front.
//
// Two readers. What a MAC covers is read strictly: one encoding for one message, so that nothing can be altered without the MAC failing,
// whether a peer authenticates the bytes (libolm) or their re-encoding (vodozemac). The outer pre-key message, which no MAC covers
// and which peers write in different orders, is read as protobuf says.
import { CryptoError } from "./errors.ts";

/** The bytes of a 32-bit varint. */
const VARINT_32_BYTES_MAX = 5;
/** protobuf's varints have 64 bits; more bytes than these are no varint. */
const VARINT_BYTES_MAX = 10;
const UINT32_MAX = 0xffff_ffff;

const WIRE_VARINT = 0;
const WIRE_BYTES = 2;

/** Reads the fields that are expected, in their order, and nothing else. */
export class StrictReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** `what` names the message in errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** @throws CryptoError FORMAT when there is none, VERSION when it is another. */
  version(expected: number): void {
    const found = this.#byte("a version");
    if (found !== expected) {
      throw new CryptoError("VERSION", `${this.#what}: expected version ${expected}, found ${found}`);
    }
  }

  /** A varint field of at most 32 bits, in its shortest form. */
  uint32(tag: number): number {
    this.#tag(tag);
    return this.#varint();
  }

  /** A byte string field, as a view on the message. */
  bytes(tag: number): Uint8Array {
    this.#tag(tag);
    const length = this.#varint();
    const start = this.#at;
    if (length > this.#bytes.length - start) throw this.#fault(`a field of ${length} bytes is cut off`);
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#fault("found bytes after the last field");
  }

  #tag(tag: number): void {
    const found = this.#byte(`field 0x${tag.toString(16)}`);
    if (found !== tag)
      throw this.#fault(`expected field 0x${tag.toString(16)}, found 0x${found.toString(16)}`);
  }

  #varint(): number {
    let value = 0;
    for (let i = 0; i < VARINT_32_BYTES_MAX; i += 1) {
      const byte = this.#byte("a varint");
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) {
        if (byte === 0 && i > 0) throw this.#fault("a varint is longer than it needs to be");
        if (value > UINT32_MAX) break;
        return value;
      }
    }
    throw this.#fault("a varint does not fit 32 bits");
  }

  #byte(expected: string): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw this.#fault(`expected ${expected}, found the end`);
    this.#at += 1;
    return byte;
  }

  #fault(found: string): CryptoError {
    return new CryptoError("FORMAT", `${this.#what}: ${found} at byte ${this.#at} of ${this.#bytes.length}`);
  }
}

/**
 * The byte string fields `tags` of a message, in whatever order they come; unknown fields are skipped and of two alike the last one counts.
 * A field number of zero, a tag of two bytes, and a known number with another wire type are refused.
 */
export function readFields<Tag extends number>(
  bytes: Uint8Array,
  start: number,
  tags: readonly Tag[],
  what: string,
): Map<Tag, Uint8Array> {
  const fields = new Map<Tag, Uint8Array>();
  const numbers = tags.map((tag) => tag >> 3);
  for (let at = start; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    const known = tags.find((candidate) => candidate === tag);
    const bad = tag < 0x08 || tag >= 0x80 || (known === undefined && numbers.includes(tag >> 3));
    if (bad) throw new CryptoError("FORMAT", `${what}: found field 0x${tag.toString(16)} at byte ${at}`);
    const value = readVarint(bytes, at + 1, what);
    at = value.next;
    const wire = tag & 0x07;
    if (wire === WIRE_VARINT) continue;
    if (wire !== WIRE_BYTES || value.value > bytes.length - at) {
      throw new CryptoError("FORMAT", `${what}: a field of unknown type or cut off before byte ${at}`);
    }
    if (known !== undefined) fields.set(known, bytes.subarray(at, at + value.value));
    at += value.value;
  }
  return fields;
}

/** A varint of up to 64 bits; beyond 2^53 its value is inexact, which no length in memory can be. */
function readVarint(bytes: Uint8Array, start: number, what: string): { value: number; next: number } {
  let value = 0;
  for (let i = 0; i < VARINT_BYTES_MAX; i += 1) {
    const byte = bytes[start + i];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, next: start + i + 1 };
  }
  throw new CryptoError("FORMAT", `${what}: a varint has no end at byte ${start}`);
}

/** How many bytes `writeVarint` needs. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

/** How many bytes a byte string field of this length needs, its tag included. */
export function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

/** Writes a varint and returns the position behind it. */
export function writeVarint(target: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    target[at] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
    at += 1;
  }
  target[at] = rest;
  return at + 1;
}

/** Writes a byte string field and returns the position behind it. */
export function writeField(target: Uint8Array, start: number, tag: number, value: Uint8Array): number {
  target[start] = tag;
  const at = writeVarint(target, start + 1, value.length);
  target.set(value, at);
  return at + value.length;
}
