// A column of integers: differences to what a predictor expects, folded to naturals, laid out byte plane by byte plane (all lowest bytes, then all second
// ones, ...), which is what deflate makes the most of.
//
//   mode u8 | raw: min signed                      | width u8 | width * n bytes
//           | else: first signed, period signed    | width u8 | width * (n - 1) bytes
import { malformed } from "../errors.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { MODES, type Mode, predictorOf, RESIDUAL_MAX } from "./predict.ts";

const WIDTH_MAX = 7;
const BINS = 256;
/** What the fields before the planes cost, in bits: between two equal predictors the simpler wins. */
const PARAMETERS_BITS = 24;

export interface Plan {
  readonly mode: Mode;
  readonly first: number;
  readonly period: number;
  /** Naturals below 2^53. */
  readonly folded: Float64Array;
  /** Bits that an entropy coder would need, roughly. */
  readonly bits: number;
}

const fold = (residual: number): number => (residual < 0 ? -2 * residual - 1 : 2 * residual);
const unfold = (folded: number): number => (folded % 2 === 0 ? folded / 2 : 0 - (folded + 1) / 2);

const bitsOf = (folded: Float64Array): number => {
  const bins = new Uint32Array(BINS);
  let bits = 0;
  for (const value of folded) {
    const bin = Math.min(value, BINS - 1);
    bins[bin] = (bins[bin] ?? 0) + 1;
    if (bin === BINS - 1) bits += Math.log2(value);
  }
  for (const count of bins) if (count > 0) bits += count * Math.log2(folded.length / count);
  return bits;
};

const rawPlan = (values: Float64Array): Plan => {
  let first = values[0] ?? 0;
  for (const value of values) if (value < first) first = value;
  const folded = values.map((value) => value - first);
  return { mode: "raw", first, period: 0, folded, bits: bitsOf(folded) };
};

/** Null where a difference would not be exact. */
const plan = (values: Float64Array, mode: Exclude<Mode, "raw">, period: number): Plan | null => {
  const first = values[0] ?? 0;
  const predictor = predictorOf(mode, first, period);
  const folded = new Float64Array(values.length - 1);
  for (let at = 1; at < values.length; at += 1) {
    const value = values[at] ?? 0;
    const expected = predictor.next();
    const residual = value - expected;
    if (!(Math.abs(residual) <= RESIDUAL_MAX && Number.isSafeInteger(expected))) return null;
    folded[at - 1] = fold(residual);
    predictor.saw(value);
  }
  return { mode, first, period, folded, bits: bitsOf(folded) + PARAMETERS_BITS };
};

/** The middle one of the steps: a jump does not move it. */
const medianStep = (values: Float64Array): number => {
  if (values.length < 2) return 0;
  const steps = new Float64Array(values.length - 1);
  for (let at = 1; at < values.length; at += 1) steps[at - 1] = (values[at] ?? 0) - (values[at - 1] ?? 0);
  const median = steps.sort()[steps.length >> 1] ?? 0;
  return Math.abs(median) <= RESIDUAL_MAX ? median : 0;
};

/** The cheapest way to write a column of at least one integer between -2^53 and 2^53 whose range is below 2^53. */
export const planIntegers = (values: Float64Array): Plan => {
  let best = rawPlan(values);
  if (values.length < 2 || best.bits === 0) return best;
  const period = medianStep(values);
  for (const mode of MODES) {
    if (mode === "raw") continue;
    const other = plan(values, mode, period);
    if (other !== null && other.bits < best.bits) best = other;
  }
  return best;
};

const writePlanes = (writer: ByteWriter, folded: Float64Array): void => {
  let largest = 0;
  for (const value of folded) if (value > largest) largest = value;
  const width = largest === 0 ? 0 : Math.floor(Math.log2(largest) / 8 + 1e-12) + 1;
  writer.byte(width);
  for (let plane = 0; plane < width; plane += 1) {
    const room = writer.room(folded.length);
    const unit = 256 ** plane;
    for (let at = 0; at < folded.length; at += 1) room[at] = Math.floor((folded[at] ?? 0) / unit) % 256;
  }
};

export const writePlan = (writer: ByteWriter, { first, folded, mode, period }: Plan): void => {
  writer.byte(MODES.indexOf(mode));
  writer.signed(first);
  if (mode !== "raw") writer.signed(period);
  writePlanes(writer, folded);
};

export const writeIntegers = (writer: ByteWriter, values: Float64Array): void =>
  writePlan(writer, planIntegers(values));

const readPlanes = (reader: ByteReader, length: number): Float64Array => {
  const width = reader.byte();
  if (width > WIDTH_MAX) throw malformed("pack", `at most ${WIDTH_MAX} bytes an integer`);
  const folded = new Float64Array(length);
  for (let plane = 0; plane < width; plane += 1) {
    const bytes = reader.take(length);
    const unit = 256 ** plane;
    for (let at = 0; at < length; at += 1) folded[at] = (folded[at] ?? 0) + (bytes[at] ?? 0) * unit;
  }
  return folded;
};

const exact = (value: number): number => {
  if (!Number.isSafeInteger(value)) throw malformed("pack", "integers below 2^53");
  return value;
};

/** A column of `length` integers, at least one. Throws `TelemetryError`. */
export const readIntegers = (reader: ByteReader, length: number): Float64Array => {
  const mode = MODES[reader.byte()];
  if (mode === undefined) throw malformed("pack", "a known kind of column");
  const first = reader.signed();
  if (mode === "raw") return readPlanes(reader, length).map((value) => exact(first + value));
  const predictor = predictorOf(mode, first, reader.signed());
  const folded = readPlanes(reader, length - 1);
  const values = new Float64Array(length);
  values[0] = first;
  for (let at = 1; at < length; at += 1) {
    const value = exact(predictor.next() + unfold(exact(folded[at - 1] ?? 0)));
    values[at] = value;
    predictor.saw(value);
  }
  return values;
};
