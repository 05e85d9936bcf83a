// What the tests of all framings share: ways to cut a stream, and a form of the frames that does not depend on how it was cut.
import fc from "fast-check";
import { expect } from "vitest";
import type { Frame, Framing } from "#drivers/framing/framing.ts";

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** All frames of a stream given in these chunks, with the end handled as `whole`. */
export const framesOf = (framing: Framing, chunks: readonly Uint8Array[], whole = false): Frame[] => [
  ...chunks.flatMap((chunk) => [...framing.push(chunk)]),
  ...framing.flush(whole),
];

export const oneByOne = (stream: Uint8Array): Uint8Array[] =>
  Array.from(stream, (byte) => Uint8Array.of(byte));

/** Random cuts of a stream, empty pieces among them. */
export const cutAt = (stream: Uint8Array, cuts: readonly number[]): Uint8Array[] => {
  const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  return places.slice(1).map((to, index) => stream.subarray(places[index], to));
};

export const arbitraryCuts: fc.Arbitrary<number[]> = fc.array(fc.nat(), { maxLength: 8 });

/** A discarded range may be reported in pieces as it comes; merged, it must not depend on the pieces. */
export const merged = (frames: readonly Frame[]): Frame[] => {
  const whole: Frame[] = [];
  for (const frame of frames) {
    const last = whole.at(-1);
    if (frame.kind === "discarded" && frame.continued && last?.kind === "discarded")
      whole[whole.length - 1] = { ...last, bytes: last.bytes + frame.bytes };
    else whole.push(frame);
  }
  return whole;
};

/** The same without samples, whose length depends on what had come when an incident was reported. */
export const outline = (frames: readonly Frame[]): unknown[] =>
  merged(frames).map((frame) =>
    frame.kind === "discarded" ? [frame.reason, frame.bytes] : [frame.payload, frame.bytes],
  );

export const texts = (frames: readonly Frame[]): string[] =>
  frames.flatMap((frame) =>
    frame.kind === "payload" && frame.payload.kind === "text" ? [frame.payload.text] : [],
  );

export const trees = (frames: readonly Frame[]): unknown[] =>
  frames.flatMap((frame) =>
    frame.kind === "payload" && frame.payload.kind === "tree" ? [frame.payload.value] : [],
  );

export const totalBytes = (frames: readonly Frame[]): number =>
  frames.reduce((sum, frame) => sum + frame.bytes, 0);

/** The law of every framing: cut as it may be, a stream gives the same frames, and each byte is accounted for once. */
export const expectIndifferentToCuts = (make: () => Framing, stream: Uint8Array, cuts: number[]): void => {
  const whole = framesOf(make(), [stream]);
  for (const chunks of [oneByOne(stream), cutAt(stream, cuts)]) {
    const frames = framesOf(make(), chunks);
    expect(outline(frames)).toEqual(outline(whole));
    expect(totalBytes(frames)).toBe(stream.length);
  }
};
