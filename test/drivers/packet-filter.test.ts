import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPacketFilter } from "#drivers/packet-filter.ts";

const LIMIT = 200;

const lengthField = (length: number): number[] => {
  const low = length % 128;
  return length < 128 ? [low] : [low + 128, ...lengthField(Math.floor(length / 128))];
};

const packet = (first: number, body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([first, ...lengthField(body.length)]), body]);

interface Publish {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly id: number;
  readonly payload: number;
}

const header = ({ topic, qos, id }: Publish): Buffer => {
  const name = Buffer.from(topic);
  const identifier = qos > 0 ? [id >> 8, id & 0xff] : [];
  return Buffer.concat([Buffer.from([0, name.length]), name, Buffer.from(identifier)]);
};

const firstByte = ({ qos }: Publish): number => 0x30 | (qos << 1);

const whole = (publish: Publish): Buffer =>
  packet(firstByte(publish), Buffer.concat([header(publish), Buffer.alloc(publish.payload, 0xe5)]));

const isOversize = (publish: Publish): boolean => header(publish).length + publish.payload > LIMIT;

// The naive twin: the same from whole packets.
const expected = (publish: Publish): Buffer => {
  if (!isOversize(publish)) return whole(publish);
  return publish.qos === 0 ? Buffer.alloc(0) : packet(firstByte(publish), header(publish));
};

const publishes = fc.array(
  fc.record({
    topic: fc.constantFrom("a", "home/kitchen/temperature", "x".repeat(100)),
    qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
    id: fc.integer({ min: 1, max: 65_535 }),
    payload: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constant(20_000)),
  }),
  { maxLength: 6 },
);

const filtered = (bytes: Uint8Array, step: number, cuts = true) => {
  const dropped: string[] = [];
  const filter = createPacketFilter({
    packetBytesMax: LIMIT,
    cuts,
    dropped: (topic) => void dropped.push(topic),
  });
  const forward: Uint8Array[] = [];
  let broken = false;
  for (let at = 0; at < bytes.length && !broken; at += step) {
    const result = filter.push(bytes.subarray(at, at + step));
    forward.push(...result.forward);
    broken = result.broken;
  }
  return { filter, dropped, broken, bytes: Buffer.concat(forward) };
};

describe("a packet filter", () => {
  it("passes what is small and cuts down what is large, however the bytes come", () => {
    fc.assert(
      fc.property(publishes, fc.integer({ min: 1, max: 50 }), (list, step) => {
        const result = filtered(Buffer.concat(list.map(whole)), step);
        expect(result.broken).toBe(false);
        expect(result.bytes).toEqual(Buffer.concat(list.map(expected)));
        const large = list.filter(isOversize);
        expect(result.dropped).toEqual(large.filter(({ qos }) => qos === 0).map(({ topic }) => topic));
        for (const id of new Set(large.filter(({ qos }) => qos > 0).map((publish) => publish.id))) {
          expect(result.filter.wasCut(id)).toBe(true);
          expect(result.filter.wasCut(id)).toBe(false);
        }
      }),
    );
  });

  it("keeps no payload of a message of 200 MB", () => {
    const large: Publish = { topic: "a", qos: 1, id: 7, payload: 0 };
    const announced = Buffer.concat([Buffer.from([0x32, ...lengthField(200_000_000)]), header(large)]);
    const result = filtered(announced, 3);
    expect(result.bytes).toEqual(packet(0x32, header(large)));
    expect(result.filter.push(Buffer.alloc(1_000_000))).toEqual({ forward: [], broken: false });
  });

  it.each([
    ["an oversize packet that is no message", [0xc0, ...lengthField(5_000)]],
    ["a length of five bytes", [0x30, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ["a topic of 60,000 bytes", [0x30, ...lengthField(70_000), 0xea, 0x60]],
  ])("ends the connection on %s", (_what, bytes) => {
    expect(filtered(Uint8Array.from(bytes), 1).broken).toBe(true);
  });

  it("ends the connection on any oversize packet where messages are not cut", () => {
    expect(filtered(whole({ topic: "a", qos: 1, id: 1, payload: 1_000 }), 10, false).broken).toBe(true);
  });

  it("never forwards more than it was given, whatever it is given", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.integer({ min: 1, max: 50 }), (bytes, step) => {
        expect(filtered(bytes, step).bytes.length).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});
