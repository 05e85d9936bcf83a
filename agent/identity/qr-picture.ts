// A QR code for people: as text for a terminal, and as a PNG file (W3C PNG, third edition: 1-bit greyscale, one IDAT).
import { crc32, deflateSync } from "node:zlib";
import type { QrMatrix } from "./qr-code.ts";

/** The quiet zone that readers want around a code, in modules. */
const QUIET = 4;
/** In a terminal lines stand far enough from it with less. */
const QUIET_TEXT = 2;
const PIXELS_PER_MODULE = 6;

const withQuiet = (matrix: QrMatrix, quiet: number): QrMatrix => {
  const size = matrix.length + 2 * quiet;
  return Array.from({ length: size }, (_row, y) =>
    Array.from({ length: size }, (_module, x) => matrix[y - quiet]?.[x - quiet] ?? false),
  );
};

/** Two rows of modules a line. Light modules are drawn and dark ones are not: terminals are dark. */
export const qrText = (matrix: QrMatrix): string => {
  const rows = withQuiet(matrix, QUIET_TEXT);
  const lines: string[] = [];
  for (let y = 0; y < rows.length; y += 2) {
    const [upper, lower] = [rows[y] ?? [], rows[y + 1] ?? []];
    const blocks = upper.map((dark, x) => {
      const below = lower[x] ?? true;
      if (dark) return below ? " " : "\u2584";
      return below ? "\u2580" : "\u2588";
    });
    lines.push(blocks.join(""));
  }
  return `${lines.join("\n")}\n`;
};

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
};

export const qrPng = (matrix: QrMatrix): Buffer => {
  const rows = withQuiet(matrix, QUIET);
  const width = rows.length * PIXELS_PER_MODULE;
  const lineBytes = Math.ceil(width / 8);
  const pixels = Buffer.alloc((lineBytes + 1) * width);
  for (let y = 0; y < width; y += 1) {
    // Each line begins with its filter, none.
    const at = y * (lineBytes + 1) + 1;
    for (let x = 0; x < width; x += 1) {
      const dark = rows[Math.floor(y / PIXELS_PER_MODULE)]?.[Math.floor(x / PIXELS_PER_MODULE)] ?? false;
      if (!dark) pixels[at + (x >> 3)] = (pixels[at + (x >> 3)] ?? 0) | (0x80 >> (x & 7));
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(width, 4);
  // One bit a pixel; the rest is zero: greyscale, deflate, no interlace.
  header[8] = 1;
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(pixels)),
    chunk("IEND", new Uint8Array(0)),
  ]);
};
