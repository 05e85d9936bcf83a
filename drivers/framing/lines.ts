// Framing `lines`: each line is one value, as text (the mapping makes a number of it where it is one).
// Also home of what all framings of text share: their options, decoding, and the sending of a line.
import type { ZodType } from "zod";
import * as z from "zod";
import { DriverError } from "../driver.ts";
import { FRAME_BYTES_DEFAULT, FRAME_BYTES_MAX } from "../limits.ts";
import type { Frame, Framing, FramingKind } from "./framing.ts";
import { createLineSplitter, discarded, type LineReader } from "./line-splitter.ts";

export interface LineOptions {
  readonly delimiter: string;
  readonly send_end: string;
  readonly max_bytes: number;
  readonly encoding: "utf8" | "latin1";
}

/** The options of every framing of text, for their own schemas. */
export const lineShape: {
  delimiter: ZodType<string>;
  send_end: ZodType<string>;
  max_bytes: ZodType<number>;
  encoding: ZodType<"utf8" | "latin1">;
} = {
  delimiter: z
    .string()
    .regex(/^\p{ASCII}$/u, { error: 'expected one ASCII character, such as "\\n" or ";"' })
    .default("\n")
    .describe('The character that ends a line. With "\\n" a carriage return before it is removed too.'),
  send_end: z
    .string()
    .max(8)
    .default("\n")
    .describe('What is added to a line that is written to the device: "\\n", "\\r\\n" or "".'),
  max_bytes: z
    .int()
    .min(1)
    .max(FRAME_BYTES_MAX)
    .default(FRAME_BYTES_DEFAULT)
    .describe("A longer line is discarded and counted (overlong)."),
  encoding: z
    .enum(["utf8", "latin1"])
    .default("utf8")
    .describe(
      "How the device writes text. A line that is not valid UTF-8 is discarded and counted (malformed).",
    ),
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a line, or null where it is not in the encoding. */
const decode = (line: Uint8Array, encoding: LineOptions["encoding"]): string | null => {
  if (encoding === "latin1") return Buffer.from(line.buffer, line.byteOffset, line.length).toString("latin1");
  try {
    return utf8.decode(line);
  } catch {
    return null;
  }
};

/** Turns the text of a line into a frame. */
export type TextReader = (text: string, bytes: number, line: Uint8Array) => Frame;

const readerOf =
  (options: LineOptions, read: TextReader): LineReader =>
  (line, bytes) => {
    const text = decode(line, options.encoding);
    return text === null
      ? discarded("malformed", bytes, line, "expected UTF-8 (set encoding: latin1 if the device is older)")
      : read(text, bytes, line);
  };

// A delimiter inside a payload would become a second line, that is a second command that nobody authorised.
const encodeLine = (payload: Uint8Array, options: LineOptions): Uint8Array => {
  const end = Buffer.from(options.send_end, "utf8");
  const ended = end.length > 0 && Buffer.from(payload).subarray(-end.length).equals(end);
  const body = ended ? payload.subarray(0, -end.length) : payload;
  const forbidden = [options.delimiter, ...options.send_end].map((char) => char.charCodeAt(0));
  if (forbidden.some((byte) => body.includes(byte)))
    throw new DriverError(
      "MALFORMED",
      "expected one line to send, found a line end inside it; send the lines one by one",
    );
  return Buffer.concat([body, end]);
};

/** A framing of text from a function that reads one line. */
export const createTextFraming = (options: LineOptions, read: TextReader): Framing => ({
  ...createLineSplitter(
    { delimiter: options.delimiter.charCodeAt(0), lineBytesMax: options.max_bytes },
    readerOf(options, read),
  ),
  encode: (payload) => encodeLine(payload, options),
});

export type LinesOptions = LineOptions & { readonly type: "lines" };

export const lines: FramingKind<LinesOptions> = {
  type: "lines",
  schema: z.strictObject({
    type: z.literal("lines").describe("Each line is one value."),
    ...lineShape,
  }),
  create: (options) =>
    createTextFraming(options, (text, bytes) => ({
      kind: "payload",
      payload: { kind: "text", text },
      bytes,
    })),
};
