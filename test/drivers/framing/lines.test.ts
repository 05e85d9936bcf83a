import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Frame, Framing } from "#drivers/framing/framing.ts";
import { type LinesOptions, lines } from "#drivers/framing/lines.ts";
import {
  arbitraryCuts,
  bytesOf,
  expectIndifferentToCuts,
  framesOf,
  merged,
  texts,
  totalBytes,
} from "./codec.ts";
import { naiveLines } from "./naive-lines.ts";

const make = (options: Partial<LinesOptions> = {}): Framing =>
  lines.create({ ...lines.schema.parse({ type: "lines" }), ...options });

const discards = (frames: readonly Frame[]): unknown[] =>
  frames.flatMap((frame) => (frame.kind === "discarded" ? [[frame.reason, frame.bytes]] : []));

// Streams in which ends of line, carriage returns and long stretches without an end are frequent.
const noisyStream = fc
  .array(fc.constantFrom("a", "b", "7", ".", "\r", "\n", "\n", "x".repeat(9)), { maxLength: 60 })
  .map((parts) => parts.join(""));

describe("the framing lines", () => {
  it("reads lines that end with a newline, or a carriage return and a newline", () => {
    expect(texts(framesOf(make(), [bytesOf("21.5\r\n22\nup\r\n")]))).toEqual(["21.5", "22", "up"]);
  });

  it("keeps a carriage return that is not at the end", () => {
    expect(texts(framesOf(make(), [bytesOf("a\rb\n")]))).toEqual(["a\rb"]);
  });

  it("reads a line that comes in pieces", () => {
    expect(texts(framesOf(make(), ["21", ".", "5", "\r", "\n"].map(bytesOf)))).toEqual(["21.5"]);
  });

  it("passes over empty lines", () => {
    expect(discards(framesOf(make(), [bytesOf("\n\r\n7\n")]))).toEqual([
      ["blank", 1],
      ["blank", 2],
    ]);
  });

  it("takes a pending line as whole at a boundary that the source vouches for, and discards it at a cut", () => {
    expect(texts(framesOf(make(), [bytesOf("1\n23.5")], true))).toEqual(["1", "23.5"]);
    expect(discards(framesOf(make(), [bytesOf("1\n23.5")], false))).toEqual([["partial", 4]]);
  });

  it("discards the rest of a message after a resync, and reads the next one", () => {
    const framing = make();
    framing.resync();
    const frames = framesOf(framing, [bytesOf("3.5\n23.6\n")]);
    expect(discards(frames)).toEqual([["partial", 4]]);
    expect(texts(frames)).toEqual(["23.6"]);
  });

  it("splits at another delimiter when told", () => {
    expect(texts(framesOf(make({ delimiter: ";" }), [bytesOf("1;2\n;3;")]))).toEqual(["1", "2\n", "3"]);
  });

  it("discards a line that is not UTF-8, with a sample, and reads it as latin1 when told", () => {
    const stream = [Uint8Array.of(0x32, 0x31, 0xb0, 0x43, 0x0a)];
    const [frame] = framesOf(make(), stream);
    expect(frame).toMatchObject({
      kind: "discarded",
      reason: "malformed",
      bytes: 5,
      sample: Uint8Array.of(0x32, 0x31, 0xb0, 0x43),
    });
    expect(texts(framesOf(make({ encoding: "latin1" }), stream))).toEqual(["21°C"]);
  });

  it("accepts a line of exactly the limit and discards one of a byte more", () => {
    const framing = make({ max_bytes: 5 });
    const frames = framesOf(framing, [bytesOf("12345\r\n123456\n12345\n")]);
    expect(texts(frames)).toEqual(["12345", "12345"]);
    expect(discards(frames)).toEqual([["overlong", 7]]);
  });

  it("holds no more than the limit of noise without an end, and reports it as one incident", () => {
    const framing = make({ max_bytes: 64 });
    const noise = new Uint8Array(1_000).fill(0x55);
    const frames = framesOf(framing, [...Array.from({ length: 100 }, () => noise), bytesOf("\n42\n")]);
    expect(frames.filter((frame) => frame.kind === "discarded" && !frame.continued)).toHaveLength(1);
    expect(discards(merged(frames))).toEqual([["overlong", 100_001]]);
    expect(texts(frames)).toEqual(["42"]);
    for (const frame of frames)
      if (frame.kind === "discarded") expect(frame.sample.length).toBeLessThanOrEqual(64);
  });

  it("keeps no reference to the chunk that it was given", () => {
    const framing = make();
    const chunk = bytesOf("21.5");
    framing.push(chunk);
    chunk.fill(0x39);
    expect(texts([...framing.push(bytesOf("\n"))])).toEqual(["21.5"]);
  });

  it("agrees with the naive twin on any stream, cut anywhere", () => {
    fc.assert(
      fc.property(noisyStream, arbitraryCuts, (stream, cuts) => {
        const expected = naiveLines(stream, 8).map(([what, bytes, discarded]) =>
          discarded === null ? ["-", what, bytes] : [what, bytes],
        );
        const frames = merged(framesOf(make({ max_bytes: 8 }), [bytesOf(stream)]));
        const found = frames.map((frame) =>
          frame.kind === "discarded"
            ? ["-", frame.reason, frame.bytes]
            : [frame.payload.kind === "text" ? frame.payload.text : null, frame.bytes],
        );
        expect(found).toEqual(expected);
        expectIndifferentToCuts(() => make({ max_bytes: 8 }), bytesOf(stream), cuts);
      }),
    );
  });

  it("accounts for every byte of arbitrary garbage and finds the next line after it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), arbitraryCuts, (garbage, cuts) => {
        const stream = Uint8Array.from([...garbage, ...bytesOf("\nresync\n")]);
        const frames = framesOf(make({ max_bytes: 32 }), [stream]);
        expect(totalBytes(frames)).toBe(stream.length);
        expect(texts(frames).at(-1)).toBe("resync");
        expectIndifferentToCuts(() => make({ max_bytes: 32 }), stream, cuts);
      }),
    );
  });

  it("gives back what it encoded", () => {
    const line = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 50 })
      .filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(line, fc.constantFrom("\n", "\r\n"), (text, end) => {
        const framing = make({ send_end: end });
        expect(texts(framesOf(framing, [framing.encode(bytesOf(text))]))).toEqual([text]);
      }),
    );
  });

  it("adds the line end only where it is missing", () => {
    const framing = make({ send_end: "\r\n" });
    expect(Buffer.from(framing.encode(bytesOf("on"))).toString()).toBe("on\r\n");
    expect(Buffer.from(framing.encode(bytesOf("on\r\n"))).toString()).toBe("on\r\n");
    expect(Buffer.from(make({ send_end: "" }).encode(bytesOf("on"))).toString()).toBe("on");
  });

  it("refuses to send two lines as one", () => {
    expect(() => make().encode(bytesOf("on\nreset"))).toThrow(/line end inside/);
    expect(() => make({ send_end: "\r\n" }).encode(bytesOf("on\rreset"))).toThrow(/line end inside/);
  });
});
