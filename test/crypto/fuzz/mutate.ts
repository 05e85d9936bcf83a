// Structure-aware mutation of valid encodings: flips, cuts, copies, splices, lengths that lie, varints that are
// too long, not canonical or out of range. Seeded: the same seed gives the same input.
import type { Random } from "../differential/random.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Mutation = (input: Bytes, random: Random, others: readonly Bytes[]) => Bytes;

const concat = (...parts: readonly Uint8Array[]): Bytes => new Uint8Array(Buffer.concat(parts));

/** A place in `input`, the end included; half of them near either end, where headers and tags are. */
const place = (input: Bytes, random: Random): number => {
  const near = Math.min(input.length, 16);
  if (random.chance(0.25)) return random.int(near + 1);
  if (random.chance(0.25)) return input.length - random.int(near + 1);
  return random.int(input.length + 1);
};

const slice = (input: Bytes, random: Random): [number, number] => {
  const from = place(input, random);
  return [from, Math.min(input.length, from + 1 + random.int(random.chance(0.7) ? 8 : 200))];
};

const setByte = (input: Bytes, at: number, value: number): Bytes => {
  const out = input.slice();
  if (at < out.length) out[at] = value;
  return out;
};

const EDGES = [
  0x00, 0x01, 0x7f, 0x80, 0xff, 0x03, 0x04, 0x08, 0x0a, 0x10, 0x12, 0x1a, 0x22, 0x3d, 0x5c,
] as const;

// Too long by a zero, 2^31, 2^32 - 1, 2^32, 2^53, ten bytes of ones, eleven bytes, one that never ends.
const VARINTS: readonly (readonly number[])[] = [
  [0x80, 0x00],
  [0x81, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0x80, 0x80, 0x80, 0x80, 0x08],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
];

const LENGTHS = [0, 1, 40, 41, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0, 5_001, 100_000] as const;

const MUTATIONS: readonly Mutation[] = [
  // a bit
  (input, random) => {
    const at = place(input, random);
    return setByte(input, at, (input[at] ?? 0) ^ (1 << random.int(8)));
  },
  // a byte, at an edge of its meaning
  (input, random) => setByte(input, place(input, random), random.pick(EDGES)),
  // one more or one less: a length that lies
  (input, random) => {
    const at = place(input, random);
    return setByte(input, at, (input[at] ?? 0) + (random.chance(0.5) ? 1 : -1));
  },
  // cut off, or a slice taken out
  (input, random) => input.slice(0, place(input, random)),
  (input, random) => {
    const [from, to] = slice(input, random);
    return concat(input.subarray(0, from), input.subarray(to));
  },
  // a slice twice: a duplicate field, with luck
  (input, random) => {
    const [from, to] = slice(input, random);
    return concat(input.subarray(0, to), input.subarray(from));
  },
  // something more, in the middle or at the end
  (input, random) => {
    const at = random.chance(0.5) ? input.length : place(input, random);
    return concat(input.subarray(0, at), random.bytes(1 + random.int(12)), input.subarray(at));
  },
  // the head of one and the tail of another
  (input, random, others) => {
    const other = random.pick(others);
    return concat(input.subarray(0, place(input, random)), other.subarray(place(other, random)));
  },
  // a varint in place of a byte
  (input, random) => {
    const at = place(input, random);
    return concat(input.subarray(0, at), Uint8Array.from(random.pick(VARINTS)), input.subarray(at + 1));
  },
  // a big-endian length
  (input, random) => {
    const out = Buffer.from(input);
    if (out.length >= 4) out.writeUInt32BE(random.pick(LENGTHS), random.int(out.length - 3));
    return new Uint8Array(out);
  },
  // a run of zeros or ones: keys of small order, empty hashes
  (input, random) => {
    const at = place(input, random);
    const out = input.slice();
    out.fill(random.chance(0.7) ? 0 : 0xff, at, at + (random.chance(0.5) ? 32 : random.int(64)));
    return out;
  },
];

/** One of `seeds`, with one to four mutations; now and then none, so that the way through stays covered. */
export const mutant = (seeds: readonly Bytes[], random: Random): Bytes => {
  let out = random.pick(seeds);
  const rounds = random.chance(0.02) ? 0 : 1 + random.int(random.chance(0.5) ? 1 : 4);
  for (let i = 0; i < rounds; i += 1) out = random.pick(MUTATIONS)(out, random, seeds);
  return out;
};
