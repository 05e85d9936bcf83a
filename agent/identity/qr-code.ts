// A QR code of bytes (ISO/IEC 18004:2015, "QR Code"), as a square of dark and light modules. What is done: byte mode, error correction level L, versions
// 1 to 14 (458 bytes), all eight masks. A verification code has some 130 bytes; a library for this would be larger than the agent's whole command line.
//
//   data -> codewords (mode 4 bits, length, bytes, padding) -> blocks, each with its Reed-Solomon codewords -> interleaved -> laid out in zigzag -> masked

/** Modules row by row; true is dark. The quiet zone around it is the painter's. */
export type QrMatrix = readonly (readonly boolean[])[];

interface Version {
  readonly number: number;
  /** Codewords of the whole symbol: data and error correction (table 1). */
  readonly total: number;
  /** Error correction codewords of each block, and how many blocks (table 9, level L). */
  readonly correction: number;
  readonly blocks: number;
  /** Centres of the alignment patterns (annex E). */
  readonly alignment: readonly number[];
}

const version = (
  number: number,
  total: number,
  correction: number,
  blocks: number,
  alignment: readonly number[] = [],
): Version => ({ number, total, correction, blocks, alignment });

const VERSIONS: readonly Version[] = [
  version(1, 26, 7, 1),
  version(2, 44, 10, 1, [6, 18]),
  version(3, 70, 15, 1, [6, 22]),
  version(4, 100, 20, 1, [6, 26]),
  version(5, 134, 26, 1, [6, 30]),
  version(6, 172, 18, 2, [6, 34]),
  version(7, 196, 20, 2, [6, 22, 38]),
  version(8, 242, 24, 2, [6, 24, 42]),
  version(9, 292, 30, 2, [6, 26, 46]),
  version(10, 346, 18, 4, [6, 28, 50]),
  version(11, 404, 20, 4, [6, 30, 54]),
  version(12, 466, 24, 4, [6, 32, 58]),
  version(13, 532, 26, 4, [6, 34, 62]),
  version(14, 581, 30, 4, [6, 26, 46, 66]),
];

const LONG_LENGTH_FROM = 10;
const PADDING = [0xec, 0x11] as const;

/** @throws RangeError for more bytes than version 14 holds */
export const qrCode = (data: Uint8Array): QrMatrix => {
  const found = VERSIONS.find((each) => data.length <= capacity(each));
  if (found === undefined) throw new RangeError(`QR code: expected at most 458 bytes, got ${data.length}`);
  const codewords = interleave(found, dataCodewords(found, data));
  const candidates = MASKS.map((_, mask) => draw(found, codewords, mask));
  return candidates.reduce((best, each) => (penalty(each) < penalty(best) ? each : best));
};

const dataLength = ({ total, correction, blocks }: Version): number => total - correction * blocks;
const lengthBytes = ({ number }: Version): number => (number < LONG_LENGTH_FROM ? 1 : 2);
/** 4 bits of mode and the length come first; the last 4 bits of the last codeword are left over. */
const capacity = (of: Version): number => dataLength(of) - lengthBytes(of) - 1;

const dataCodewords = (of: Version, data: Uint8Array): Uint8Array => {
  const long = lengthBytes(of) === 2;
  const bytes = [...(long ? [data.length >> 8] : []), data.length & 0xff, ...data, 0];
  const out = new Uint8Array(dataLength(of));
  // Shifted by the 4 bits of the mode (0100); the zero at the end is the terminator.
  let carry = 4;
  bytes.forEach((byte, i) => {
    out[i] = (carry << 4) | (byte >> 4);
    carry = byte & 15;
  });
  for (let i = bytes.length, n = 0; i < out.length; i += 1, n += 1) out[i] = PADDING[n % 2] ?? 0;
  return out;
};

/** Blocks side by side: their first codewords, their second, ...; then their error correction in the same way. */
const interleave = (of: Version, data: Uint8Array): Uint8Array => {
  const short = Math.floor(data.length / of.blocks);
  const longer = data.length % of.blocks;
  const generator = generatorOf(of.correction);
  const parts: Uint8Array[] = [];
  for (let block = 0, at = 0; block < of.blocks; block += 1) {
    const length = short + (block >= of.blocks - longer ? 1 : 0);
    parts.push(data.subarray(at, at + length));
    at += length;
  }
  const checks = parts.map((part) => remainder(part, generator));
  const columns = (rows: readonly Uint8Array[], width: number): number[] =>
    Array.from({ length: width }, (_, i) => rows.flatMap((row) => row[i] ?? [])).flat();
  return Uint8Array.from([...columns(parts, short + 1), ...columns(checks, of.correction)]);
};

/** In the field of 256 elements over x^8 + x^4 + x^3 + x^2 + 1. */
const multiply = (a: number, b: number): number => {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((b >> bit) & 1) * a;
  }
  return product;
};

/** (x - 1)(x - 2)(x - 4)..., without its leading 1, highest power first. */
const generatorOf = (degree: number): Uint8Array => {
  const out = new Uint8Array(degree);
  out[degree - 1] = 1;
  let root = 1;
  for (let i = 0; i < degree; i += 1) {
    for (let j = 0; j < degree; j += 1) out[j] = multiply(out[j] ?? 0, root) ^ (out[j + 1] ?? 0);
    root = multiply(root, 2);
  }
  return out;
};

const remainder = (data: Uint8Array, generator: Uint8Array): Uint8Array => {
  const out = new Uint8Array(generator.length);
  for (const byte of data) {
    const factor = byte ^ (out[0] ?? 0);
    out.copyWithin(0, 1);
    out[out.length - 1] = 0;
    generator.forEach((each, i) => {
      out[i] = (out[i] ?? 0) ^ multiply(each, factor);
    });
  }
  return out;
};

/** Modules, and which of them are not data. */
interface Canvas {
  readonly size: number;
  readonly dark: boolean[][];
  readonly fixed: boolean[][];
}

const square = (size: number): boolean[][] =>
  Array.from({ length: size }, () => new Array<boolean>(size).fill(false));

const set = ({ dark, fixed }: Canvas, x: number, y: number, isDark: boolean): void => {
  const [row, marks] = [dark[y], fixed[y]];
  if (row === undefined || marks === undefined || x < 0 || x >= row.length) return;
  row[x] = isDark;
  marks[x] = true;
};

const draw = (of: Version, codewords: Uint8Array, mask: number): QrMatrix => {
  const size = 17 + 4 * of.number;
  const canvas: Canvas = { size, dark: square(size), fixed: square(size) };
  drawPatterns(canvas, of);
  drawFormat(canvas, mask);
  if (of.number >= 7) drawVersion(canvas, of.number);
  drawData(canvas, codewords, mask);
  return canvas.dark;
};

/** Rings around a centre: dark where the distance is not one of `light`. */
const rings = (canvas: Canvas, x: number, y: number, radius: number, light: readonly number[]): void => {
  for (let dy = -radius; dy <= radius; dy += 1)
    for (let dx = -radius; dx <= radius; dx += 1)
      set(canvas, x + dx, y + dy, !light.includes(Math.max(Math.abs(dx), Math.abs(dy))));
};

const drawPatterns = (canvas: Canvas, { alignment }: Version): void => {
  const last = canvas.size - 1;
  for (let i = 0; i < canvas.size; i += 1) {
    set(canvas, 6, i, i % 2 === 0);
    set(canvas, i, 6, i % 2 === 0);
  }
  for (const [x, y] of [
    [3, 3],
    [last - 3, 3],
    [3, last - 3],
  ] as const)
    rings(canvas, x, y, 4, [2, 4]);
  const [first, end] = [alignment[0], alignment.at(-1)];
  for (const x of alignment)
    for (const y of alignment) {
      const corner = (x === first && (y === first || y === end)) || (x === end && y === first);
      if (!corner) rings(canvas, x, y, 2, [1]);
    }
};

/** A BCH code: the value and its remainder, `degree` bits below it. */
const withRemainder = (value: number, degree: number, polynomial: number): number => {
  let rest = value;
  for (let i = 0; i < degree; i += 1) rest = (rest << 1) ^ ((rest >> (degree - 1)) * polynomial);
  return (value << degree) | rest;
};

/** Level L (01) and the mask, twice beside the corners; and the one module that is always dark. */
const drawFormat = (canvas: Canvas, mask: number): void => {
  const bits = withRemainder((1 << 3) | mask, 10, 0x537) ^ 0x5412;
  const bit = (i: number): boolean => ((bits >> i) & 1) === 1;
  const last = canvas.size - 1;
  for (let i = 0; i < 15; i += 1) {
    const near = i < 6 ? i : i < 8 ? i + 1 : last - 14 + i;
    set(canvas, 8, near, bit(i));
    const across = i < 8 ? last - i : i === 8 ? 7 : 14 - i;
    set(canvas, across, 8, bit(i));
  }
  set(canvas, 8, last - 7, true);
};

const drawVersion = (canvas: Canvas, number: number): void => {
  const bits = withRemainder(number, 12, 0x1f25);
  for (let i = 0; i < 18; i += 1) {
    const [a, b] = [canvas.size - 11 + (i % 3), Math.floor(i / 3)];
    set(canvas, a, b, ((bits >> i) & 1) === 1);
    set(canvas, b, a, ((bits >> i) & 1) === 1);
  }
};

const MASKS: readonly ((x: number, y: number) => number)[] = [
  (x, y) => (x + y) % 2,
  (_x, y) => y % 2,
  (x) => x % 3,
  (x, y) => (x + y) % 3,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (x, y) => ((x * y) % 2) + ((x * y) % 3),
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

/** The modules in the order of the data: two columns at a time from the right, up and down in turn. */
const zigzag = function* (size: number): Generator<readonly [x: number, y: number]> {
  for (let pair = 0; pair < (size - 1) / 2; pair += 1) {
    const fromRight = size - 1 - 2 * pair;
    // The vertical timing pattern is no column of data.
    const right = fromRight <= 6 ? fromRight - 1 : fromRight;
    for (let step = 0; step < size; step += 1) {
      const y = pair % 2 === 0 ? size - 1 - step : step;
      yield [right, y];
      yield [right - 1, y];
    }
  }
};

/** Bits into what is not fixed, inverted by the mask. */
const drawData = ({ dark, fixed, size }: Canvas, codewords: Uint8Array, mask: number): void => {
  const inverts = MASKS[mask];
  let at = 0;
  for (const [x, y] of zigzag(size)) {
    const row = dark[y];
    if (row === undefined || fixed[y]?.[x] !== false) continue;
    const bit = (((codewords[at >> 3] ?? 0) >> (7 - (at & 7))) & 1) === 1;
    at += 1;
    row[x] = bit !== (inverts?.(x, y) === 0);
  }
};

/** How hard a symbol is to read (7.8.3): long runs, squares of one colour, what looks like a finder, too much of one colour. */
const penalty = (matrix: QrMatrix): number => {
  const columns = matrix.map((_, x) => matrix.map((row) => row[x] ?? false));
  const lines = [...matrix, ...columns].map((line) => line.map((dark) => (dark ? "1" : "0")).join(""));
  const runs = lines.flatMap((line) => line.match(/0{5,}|1{5,}/g) ?? []);
  const finders = lines.flatMap((line) => line.match(/(?=00001011101|10111010000)/g) ?? []);
  let squares = 0;
  let dark = 0;
  matrix.forEach((row, y) => {
    row.forEach((here, x) => {
      if (here) dark += 1;
      const others = [row[x + 1], matrix[y + 1]?.[x], matrix[y + 1]?.[x + 1]];
      if (others.every((each) => each === here)) squares += 1;
    });
  });
  const share = Math.abs((dark * 20) / matrix.length ** 2 - 10);
  return (
    runs.reduce((sum, run) => sum + run.length - 2, 0) +
    squares * 3 +
    finders.length * 40 +
    Math.floor(share) * 10
  );
};
