import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BatchHead } from "#agent/telemetry/event.ts";
import {
  COLUMNS_ENCODING,
  contentBytesMax,
  type FitOptions,
  fitEvent,
  fitPack,
  packBytesMax,
  parseTelemetry,
  SENML_ENCODING,
  type StampedReading,
} from "#agent/telemetry/index.ts";
import { trace } from "#scripts/bench/delivery/trace.ts";
import { randomOf } from "#test/crypto/differential/random.ts";
import { anyReadings } from "./arbitrary.ts";

const head: BatchHead = {
  device: "drone-7",
  stream: "c3RyZWFt",
  epoch: { boot: "5f0c5c1e-7f0b-4c57-9f0e-2f1b6a1f1f11", bootSeq: 3, clock: "ntp" },
  seq: 1000,
  lost: [{ from: 1000, count: 2, reason: "full" }],
};

const stamped = (
  readings: readonly { name: string; value: StampedReading["value"]; timeMs: number }[],
): StampedReading[] => readings.map((reading, index) => ({ ...reading, monoMs: index }));

const noise = (count: number): StampedReading[] => {
  const random = randomOf(7);
  return Array.from({ length: count }, (_, index) => ({
    name: "n",
    value: Math.sin(random.int(2 ** 30)),
    timeMs: 1_700_000_000_000 + index,
    monoMs: index,
  }));
};

const options = (more: Partial<FitOptions> = {}): FitOptions => ({
  encoding: COLUMNS_ENCODING,
  encrypted: true,
  plainMax: 0,
  ...more,
});

const sizeOf = (content: object): number => Buffer.byteLength(JSON.stringify(content), "utf8");

describe("fitting readings into an event", () => {
  it("uses the room of an event well, and never more of it", () => {
    const waiting = [...trace(1, 3600)];
    for (const encoding of [COLUMNS_ENCODING, SENML_ENCODING])
      for (const encrypted of [true, false]) {
        const fitted = fitEvent(head, waiting, options({ encoding, encrypted }));
        const size = sizeOf(fitted?.content ?? {});
        expect(size).toBeLessThanOrEqual(contentBytesMax(encrypted));
        expect(size).toBeGreaterThan(contentBytesMax(encrypted) * 0.9);
      }
  });

  it("takes the first ones, in order, and says how many", () => {
    fc.assert(
      fc.property(anyReadings, fc.nat(8), fc.boolean(), (some, plainMax, encrypted) => {
        const readings = stamped(some);
        const fitted = fitEvent(head, readings, options({ plainMax, encrypted }));
        const back = parseTelemetry(fitted?.content ?? {});
        expect(fitted?.readings).toBe(readings.length);
        expect(fitted?.form).toBe(readings.length <= plainMax ? "plain" : "pack");
        expect(back.form).toBe(fitted?.form);
        expect(back.readings.map(({ name, timeMs, value }) => ({ name, timeMs, value }))).toEqual(
          readings.map(({ name, timeMs, value }) => ({ name, timeMs, value })),
        );
        expect(back.readings[0]?.seq).toBe(1002);
        expect(back.count).toBe(readings.length + 2);
      }),
    );
  });

  it("fits whatever the guess was, and looks at few packs", () => {
    const waiting = noise(20_000);
    let offered = 0;
    for (const bytesPerReading of [0.0001, 1, 8, 1e6]) {
      offered = 0;
      const counted = waiting.values().map((reading) => {
        offered += 1;
        return reading;
      });
      const fitted = fitPack(counted, { encoding: COLUMNS_ENCODING, bytesMax: 33_000, bytesPerReading });
      expect(fitted?.pack.bytes.length).toBeLessThanOrEqual(33_000);
      expect(fitted?.pack.bytes.length).toBeGreaterThan(30_000);
      expect(offered).toBeGreaterThanOrEqual(fitted?.span.readings ?? 0);
    }
  });

  it("sends a reading that no pack of an event holds alone, in the plain form", () => {
    const random = randomOf(3);
    const value = Buffer.from(random.bytes(33_000))
      .toString("latin1")
      .replaceAll(/[^\x21-\x7e]/g, "\u00e9")
      .slice(0, 21_000);
    const bytes = random.bytes(32_700);
    const readings = stamped([
      { name: "photo", value: bytes, timeMs: 1 },
      { name: "text", value, timeMs: 2 },
    ]);
    const small = { ...options(), readingsMax: 5 };
    const crowded: BatchHead = {
      ...head,
      lost: Array.from({ length: 16 }, (_, at) => ({ from: 1000 + at, count: 1, reason: "r".repeat(60) })),
    };
    const fitted = fitEvent(crowded, readings, small);
    expect(fitted?.readings).toBe(1);
    expect(sizeOf(fitted?.content ?? {})).toBeLessThanOrEqual(contentBytesMax(true) + 1_000);
    expect(parseTelemetry(fitted?.content ?? {}).readings[0]?.value).toEqual(bytes);
  });

  it("is null where nothing waits", () => {
    expect(fitEvent(head, [], options())).toBeNull();
    expect(fitPack([], { encoding: COLUMNS_ENCODING, bytesMax: 1000 })).toBeNull();
  });

  it("keeps to the number of readings that it is given", () => {
    expect(fitEvent(head, noise(100), options({ readingsMax: 30 }))?.readings).toBe(30);
  });
});

it("reckons an encrypted event within the limit of 65,536 bytes: the content, in Megolm, in base64, with what servers add", () => {
  const content = contentBytesMax(true);
  // {"type":...,"content":...,"room_id":...} with names of 255 bytes, and Megolm's own 104 bytes.
  const plaintext = content + 2 * 255 + 40;
  const ciphertext = Math.ceil(((plaintext + 104) * 4) / 3);
  const around =
    '{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":"","device_id":"","sender_key":"","session_id":""}'
      .length;
  expect(ciphertext + around + 43 + 43 + 64 + 3_000).toBeLessThanOrEqual(65_536);
  expect(packBytesMax(head, COLUMNS_ENCODING, true)).toBeGreaterThan(33_000);
  expect(packBytesMax(head, COLUMNS_ENCODING, false)).toBeGreaterThan(46_000);
});
