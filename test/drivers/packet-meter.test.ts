import fc from "fast-check";
import { expect, it } from "vitest";
import { createPacketMeter } from "#drivers/packet-meter.ts";

const lengthField = (length: number): number[] => {
  const bytes: number[] = [];
  let rest = length;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return bytes;
};

const packet = (length: number): Uint8Array =>
  Uint8Array.from([0x30, ...lengthField(length), ...new Uint8Array(length).fill(0xff)]);

it("lets packets up to the limit through, however they are cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 64 }),
      (lengths, step) => {
        const bytes = Buffer.concat(lengths.map(packet));
        const meter = createPacketMeter(300);
        for (let at = 0; at < bytes.length; at += step)
          expect(meter(bytes.subarray(at, at + step))).toBe(true);
      },
    ),
  );
});

it("refuses a packet beyond the limit at its announcement, before its body", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 301, max: 268_435_455 }),
      fc.integer({ min: 0, max: 300 }),
      (length, before) => {
        const meter = createPacketMeter(300);
        expect(meter(packet(before))).toBe(true);
        expect(meter(Uint8Array.from([0x30, ...lengthField(length)]))).toBe(false);
        expect(meter(Uint8Array.of(0))).toBe(false);
      },
    ),
  );
});

it("refuses a length of more than four bytes (section 2.2.3)", () => {
  expect(createPacketMeter(1_000_000_000)(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x7f))).toBe(false);
});
