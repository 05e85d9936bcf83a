import { describe, expect, it } from "vitest";
import { decodeFile, type Piece } from "#agent/subscriptions/file.ts";
import { type Format, lineOf } from "#agent/subscriptions/format.ts";
import {
  COLUMNS_ENCODING,
  createBuilder,
  encodePlain,
  type ReceivedReading,
  SENML_ENCODING,
} from "#agent/telemetry/index.ts";

const origin = { device: "drone 7", stream: "s" };
const reading = (value: ReceivedReading["value"], more: Partial<ReceivedReading> = {}): ReceivedReading => ({
  seq: 3,
  name: "a/b",
  unit: "V",
  timeMs: 1_700_000_000_123,
  value,
  ...more,
});

describe("a reading as a line", () => {
  it.each<[Format, ReceivedReading, string]>([
    [
      "jsonl",
      reading(1.5),
      '{"device":"drone 7","stream":"s","seq":3,"n":"a/b","u":"V","t":1700000000123,"v":1.5}',
    ],
    [
      "jsonl",
      reading(-0, { unit: null }),
      '{"device":"drone 7","stream":"s","seq":3,"n":"a/b","t":1700000000123,"v":-0}',
    ],
    [
      "jsonl",
      reading(Uint8Array.of(255)),
      '{"device":"drone 7","stream":"s","seq":3,"n":"a/b","u":"V","t":1700000000123,"vd":"_w"}',
    ],
    ["csv", reading('say "x", y'), 'drone 7,s,3,1700000000123,a/b,V,"say ""x"", y"'],
    ["csv", reading(true, { unit: null }), "drone 7,s,3,1700000000123,a/b,,true"],
    ["influx", reading(1e21), "a/b,device=drone\\ 7,stream=s,unit=V value=1e+21,seq=3i 1700000000123000000"],
    [
      "influx",
      reading('a "b" \\'),
      'a/b,device=drone\\ 7,stream=s,unit=V text="a \\"b\\" \\\\",seq=3i 1700000000123000000',
    ],
    [
      "influx",
      reading(false, { unit: "a,b=c" }),
      "a/b,device=drone\\ 7,stream=s,unit=a\\,b\\=c flag=false,seq=3i 1700000000123000000",
    ],
  ])("%s", (format, given, line) => {
    expect(lineOf(format, origin, given)).toBe(line);
  });
});

const readings = [
  { name: "a", value: 1.5, timeMs: 1, monoMs: 1 },
  { name: "b", value: "x", timeMs: 2, monoMs: 2 },
];
const event = {
  type: "dev.petrel.telemetry",
  content: encodePlain({
    device: "d",
    stream: "s",
    epoch: { boot: "b", bootSeq: 1, clock: "ntp" },
    seq: 5,
    lost: [],
    readings,
  }),
};
const read = (bytes: Uint8Array | string): Piece[] => [...decodeFile(Buffer.from(bytes))];
const seqs = (pieces: readonly Piece[]): unknown[] =>
  pieces.map((piece) => ("problem" in piece ? piece.problem : piece.readings.map(({ seq }) => seq)));

describe("a file", () => {
  it.each([COLUMNS_ENCODING, SENML_ENCODING])(
    "that is a bare pack of %s is known by its first bytes",
    (encoding) => {
      const builder = createBuilder(encoding);
      for (const each of readings) builder.add(each);
      const [piece] = read(builder.encode(2));
      expect(piece).toMatchObject({
        readings: [
          { seq: 0, value: 1.5 },
          { seq: 1, value: "x" },
        ],
      });
    },
  );

  it("is an event, a content, or lines of both, other events between them", () => {
    expect(seqs(read(JSON.stringify(event, null, 2)))).toEqual([[5, 6]]);
    expect(seqs(read(JSON.stringify(event.content)))).toEqual([[5, 6]]);
    const other = JSON.stringify({ type: "m.room.message", content: {} });
    expect(seqs(read(`${JSON.stringify(event)}\n${other}\n\n${JSON.stringify(event)}\n`))).toEqual([
      [5, 6],
      [5, 6],
    ]);
  });

  it("says what it could not read, with the line, and goes on", () => {
    const broken = JSON.stringify({ content: { v: 2 } });
    const [first, second, third] = seqs(read(`{\n${broken}\n${JSON.stringify(event)}`));
    expect(first).toMatch(/^line 1: expected a JSON object/);
    expect(second).toMatch(/^line 2: telemetry: version 1 is known/);
    expect(third).toEqual([5, 6]);
    expect(seqs(read("PTC1"))[0]).toMatch(/zlib/);
  });
});
