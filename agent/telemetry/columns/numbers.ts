// A column of numbers. Decimals, which is what sensors say, as scaled integers: 12.34 is 1234 / 10^2, and the division of two exact doubles gives back the
// very same double (IEEE 754, correctly rounded). A few numbers among them that are no such decimals stand aside, as they are. A column of other
// numbers is written as the bits in which each differs from the one before (XOR), byte plane by byte plane.
//
//   exponent u8 (0..12) | aside varint, aside * (gap varint), aside * float64 | integers
//   255                 | 8 * n bytes: lowest bytes first
import { malformed } from "../errors.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { readIntegers, writeIntegers } from "./integers.ts";

const XOR = 255;
const EXPONENT_MAX = 12;
const SCALED_MAX: number = 2 ** 51;
/** One number in eight may stand aside: 9 bytes each, against up to 8 for every number of the column. */
const ASIDE_SHARE = 1 / 8;
/** A larger exponent that covers all is taken instead of a smaller one with numbers aside, if it is larger by no more. */
const EXPONENT_STRETCH = 3;

const POWERS: readonly number[] = Array.from({ length: EXPONENT_MAX + 1 }, (_, exponent) => 10 ** exponent);

const powerOf = (exponent: number): number => POWERS[exponent] ?? 1;

/** The integer that `value` is at that exponent; null if it is not exactly one. */
const scaled = (value: number, exponent: number): number | null => {
  const power = powerOf(exponent);
  const integer = Math.round(value * power);
  return Math.abs(integer) <= SCALED_MAX && Object.is((integer + 0) / power, value) ? integer + 0 : null;
};

const decimalsOf = (value: number, likely: number): number | null => {
  // Mostly what the one before had, or one less.
  if (scaled(value, likely) !== null && (likely === 0 || scaled(value, likely - 1) === null)) return likely;
  for (let exponent = 0; exponent <= EXPONENT_MAX; exponent += 1)
    if (scaled(value, exponent) !== null) return exponent;
  return null;
};

/** The exponent of a column; null where too many of its numbers are no decimals. */
const exponentOf = (values: Float64Array): number | null => {
  const counts = new Uint32Array(EXPONENT_MAX + 1);
  let likely = 0;
  for (const value of values) {
    const decimals = decimalsOf(value, likely);
    if (decimals === null) continue;
    counts[decimals] = (counts[decimals] ?? 0) + 1;
    likely = decimals;
  }
  const largest = counts.findLastIndex((count) => count > 0);
  let covered = 0;
  for (let exponent = 0; exponent <= largest; exponent += 1) {
    covered += counts[exponent] ?? 0;
    if (covered >= values.length * (1 - ASIDE_SHARE))
      return largest - exponent <= EXPONENT_STRETCH ? largest : exponent;
  }
  return null;
};

const writeScaled = (writer: ByteWriter, values: Float64Array, exponent: number): void => {
  const integers = new Float64Array(values.length);
  const aside: number[] = [];
  let last = 0;
  for (let at = 0; at < values.length; at += 1) {
    const integer = scaled(values[at] ?? 0, exponent);
    if (integer === null) aside.push(at);
    // In the place of one that stands aside its predecessor: next to nothing to write.
    last = integer ?? last;
    integers[at] = last;
  }
  writer.byte(exponent);
  writer.varint(aside.length);
  let before = 0;
  for (const at of aside) {
    writer.varint(at - before);
    before = at;
  }
  for (const at of aside) writer.float64(values[at] ?? 0);
  writeIntegers(writer, integers);
};

/** `values`' bytes, each double's lowest first, whatever the machine's own order is. */
const littleEndian = (values: Float64Array): Uint8Array => {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < values.length; at += 1) view.setFloat64(at * 8, values[at] ?? 0, true);
  return bytes;
};

const writeXor = (writer: ByteWriter, values: Float64Array): void => {
  const bytes = littleEndian(values);
  writer.byte(XOR);
  for (let plane = 0; plane < 8; plane += 1) {
    const room = writer.room(values.length);
    let last = 0;
    for (let at = 0; at < values.length; at += 1) {
      const byte = bytes[at * 8 + plane] ?? 0;
      room[at] = byte ^ last;
      last = byte;
    }
  }
};

/** Writes a column of at least one finite number. */
export const writeNumbers = (writer: ByteWriter, values: Float64Array): void => {
  const exponent = exponentOf(values);
  if (exponent === null) writeXor(writer, values);
  else writeScaled(writer, values, exponent);
};

const readXor = (reader: ByteReader, length: number): Float64Array => {
  const bytes = new Uint8Array(length * 8);
  for (let plane = 0; plane < 8; plane += 1) {
    const column = reader.take(length);
    let last = 0;
    for (let at = 0; at < length; at += 1) {
      last ^= column[at] ?? 0;
      bytes[at * 8 + plane] = last;
    }
  }
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length }, (_, at) => view.getFloat64(at * 8, true));
};

const readPlaces = (reader: ByteReader, length: number): number[] => {
  const aside = reader.varint();
  if (aside > length) throw malformed("pack", "no more numbers aside than the column has");
  const places: number[] = [];
  let at = 0;
  for (let index = 0; index < aside; index += 1) {
    const gap = reader.varint();
    if (index > 0 && gap === 0) throw malformed("pack", "each number aside once");
    at += gap;
    if (at >= length) throw malformed("pack", "numbers aside within their column");
    places.push(at);
  }
  return places;
};

const readScaled = (reader: ByteReader, length: number, exponent: number): Float64Array => {
  if (exponent > EXPONENT_MAX) throw malformed("pack", `a decimal exponent of at most ${EXPONENT_MAX}`);
  const places = readPlaces(reader, length);
  const aside = places.map(() => reader.float64());
  const power = powerOf(exponent);
  const values = readIntegers(reader, length).map((integer) => integer / power);
  places.forEach((at, index) => {
    values[at] = aside[index] ?? 0;
  });
  return values;
};

/** Throws `TelemetryError`. */
export const readNumbers = (reader: ByteReader, length: number): Float64Array => {
  const exponent = reader.byte();
  const values = exponent === XOR ? readXor(reader, length) : readScaled(reader, length, exponent);
  if (!values.every(Number.isFinite)) throw malformed("pack", "finite numbers");
  return values;
};
