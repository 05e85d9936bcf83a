// Cuts bytes at a delimiter. The base of all framings of text: lines, regex, json-lines.
//
//   "temp=21.5\r\ntemp=2" | "1.6\r\n"   ->   "temp=21.5", "temp=21.6"      (a carriage return before the newline is removed)
//
// A line longer than the limit is discarded up to its end, piece by piece as it comes, so that noise without a newline never fills the memory.
import { SAMPLE_BYTES } from "../limits.ts";
import type { Frame } from "./framing.ts";

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export interface SplitterOptions {
  readonly delimiter: number;
  readonly lineBytesMax: number;
}

/** What becomes of one whole line (without its end); `bytes` is its length on the wire. */
export type LineReader = (line: Uint8Array, bytes: number) => Frame;

export interface LineSplitter {
  push(chunk: Uint8Array): Frame[];
  flush(whole: boolean): Frame[];
  resync(): void;
}

/** Where the splitter stands: it gathers a line, or passes over one that it has given up. */
type Position =
  | { readonly at: "line"; readonly pieces: Uint8Array[]; bytes: number }
  | { readonly at: "passing"; readonly reason: "overlong" | "partial"; reported: boolean };

const lineStart = (): Position => ({ at: "line", pieces: [], bytes: 0 });

const joined = (pieces: readonly Uint8Array[], last: Uint8Array, bytes: number): Uint8Array => {
  if (pieces.length === 0) return last;
  const line = new Uint8Array(bytes);
  let at = 0;
  for (const piece of [...pieces, last]) {
    line.set(piece, at);
    at += piece.length;
  }
  return line;
};

export const discarded = (
  reason: Extract<Frame, { kind: "discarded" }>["reason"],
  bytes: number,
  content: Uint8Array,
  detail?: string,
): Frame => ({
  kind: "discarded",
  reason,
  bytes,
  sample: content.slice(0, SAMPLE_BYTES),
  continued: false,
  ...(detail === undefined ? {} : { detail }),
});

const overlong = (content: Uint8Array, bytes: number, most: number): Frame =>
  discarded("overlong", bytes, content, `expected a line of at most ${most} bytes`);

const withoutReturn = (line: Uint8Array, delimiter: number): Uint8Array =>
  delimiter === NEWLINE && line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;

/** A whole line, its delimiter taken off already. */
const finish = (line: Uint8Array, bytes: number, options: SplitterOptions, read: LineReader): Frame => {
  const content = withoutReturn(line, options.delimiter);
  if (content.length > options.lineBytesMax) return overlong(content, bytes, options.lineBytesMax);
  return content.length === 0 ? discarded("blank", bytes, line) : read(content, bytes);
};

/** More of a line that was given up; its first piece opens the incident unless the limit has done so. */
const pass = (piece: Uint8Array, passing: Extract<Position, { at: "passing" }>): Frame => {
  const frame = { ...discarded(passing.reason, piece.length, piece), continued: passing.reported };
  passing.reported = true;
  return frame;
};

const NOTHING: Uint8Array = new Uint8Array();

export const createLineSplitter = (options: SplitterOptions, read: LineReader): LineSplitter => {
  const { delimiter, lineBytesMax } = options;
  let position: Position = lineStart();

  // The end of a line was found: `piece` ends with the delimiter.
  const end = (piece: Uint8Array): Frame => {
    const before = position;
    position = lineStart();
    if (before.at === "passing") return pass(piece, before);
    const bytes = before.bytes + piece.length;
    return finish(joined(before.pieces, piece.subarray(0, -1), bytes - 1), bytes, options, read);
  };

  // The chunk ends within a line. One byte more than the limit is kept: it may be the carriage return.
  const keep = (piece: Uint8Array): Frame[] => {
    if (piece.length === 0) return [];
    if (position.at === "passing") return [pass(piece, position)];
    position.pieces.push(piece.slice());
    position.bytes += piece.length;
    if (position.bytes <= lineBytesMax + 1) return [];
    const { pieces, bytes } = position;
    position = { at: "passing", reason: "overlong", reported: true };
    return [overlong(joined(pieces, NOTHING, bytes), bytes, lineBytesMax)];
  };

  const push = (chunk: Uint8Array): Frame[] => {
    const frames: Frame[] = [];
    let from = 0;
    for (let at = chunk.indexOf(delimiter); at >= 0; at = chunk.indexOf(delimiter, from)) {
      frames.push(end(chunk.subarray(from, at + 1)));
      from = at + 1;
    }
    return [...frames, ...keep(chunk.subarray(from))];
  };

  const flush = (whole: boolean): Frame[] => {
    const before = position;
    position = lineStart();
    if (before.at === "passing" || before.bytes === 0) return [];
    const line = joined(before.pieces, NOTHING, before.bytes);
    return [whole ? finish(line, before.bytes, options, read) : discarded("partial", before.bytes, line)];
  };

  const resync = (): void => {
    position = { at: "passing", reason: "partial", reported: false };
  };

  return { push, flush, resync };
};
