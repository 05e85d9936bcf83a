// What passes the door always fits into an event that the strictest homeserver takes.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { admit, type DoorState, type TurnedAway, takeBack } from "#agent/ingest/door.ts";
import { LastValues } from "#agent/ingest/last-values.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import { checkEvent } from "#agent/matrix/validate.ts";
import type { Channels } from "#agent/telemetry/channels.ts";
import { encodePlain, plainBytes } from "#agent/telemetry/event.ts";
import { READINGS_BYTES_MAX } from "#agent/telemetry/limits.ts";
import { timeText } from "#agent/telemetry/lines.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import type { Reading } from "#drivers/driver.ts";

const now = { monoMs: 50_000, baseMs: 1_799_999_950_000 };
const reading = (change: Partial<Reading>): Reading => ({ name: "n", value: 1, monoMs: 50_000, ...change });

const through = (
  readings: readonly Reading[],
  channels: Channels = {},
  state: DoorState = { lastIn: new Map() },
): { admitted: StampedReading[]; away: TurnedAway[] } => {
  const away: TurnedAway[] = [];
  return { admitted: admit(readings, channels, now, state, (why) => away.push(why)), away };
};

/** The largest event that these can make, with every other field at its longest. */
const worstEvent = (readings: readonly StampedReading[]): JsonObject => ({
  ...encodePlain({
    device: "d".repeat(64),
    stream: "s".repeat(12),
    epoch: {
      boot: "b".repeat(36),
      bootSeq: Number.MAX_SAFE_INTEGER,
      clock: "unset",
    },
    offsetMs: Number.MIN_SAFE_INTEGER,
    seq: Number.MAX_SAFE_INTEGER,
    lost: [],
    readings,
  }),
  "dev.petrel.txn": "t".repeat(40),
});

const odd = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc
    .constantFrom("\u0000", "\ud800", "語", "😀", '"', "\\")
    .chain((unit) => fc.integer({ min: 0, max: 45_000 }).map((count) => unit.repeat(count))),
);
const anyReading = fc.record<Reading>(
  {
    name: fc.oneof(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9:./_-]{0,254}$/), fc.string()),
    value: fc.oneof(
      odd,
      fc.double(),
      fc.boolean(),
      fc.integer({ min: 0, max: 45_000 }).map((length) => new Uint8Array(length).fill(255)),
    ),
    unit: fc.oneof(fc.constant("V"), odd),
    monoMs: fc.double(),
    sourceMs: fc.double(),
  },
  { requiredKeys: ["name", "value", "monoMs"] },
);

describe("what passes the door", () => {
  it("alone fits into an event that servers take, whatever the driver gave", () => {
    fc.assert(
      fc.property(anyReading, (given) => {
        for (const stamped of through([given]).admitted)
          checkEvent({
            roomId: `!${"r".repeat(254)}`,
            sender: `@${"u".repeat(254)}`,
            type: "dev.petrel.telemetry",
            content: worstEvent([stamped]),
          });
      }),
      { numRuns: 300 },
    );
  });

  it("is measured exactly: readings weigh what their sizes add up to", () => {
    fc.assert(
      fc.property(fc.array(anyReading, { maxLength: 8 }), (given) => {
        const { admitted } = through(given);
        if (admitted.length === 0) return;
        const list = JSON.stringify(encodePlain({ ...batch, readings: admitted })["readings"]);
        const sum = admitted.reduce((bytes, stamped) => bytes + plainBytes(stamped), 0);
        expect(Buffer.byteLength(list)).toBe(sum + 1);
      }),
      { numRuns: 100 },
    );
  });

  it("may be 32,768 bytes, as drivers give them, under the longest name", () => {
    const { admitted } = through([reading({ name: "n".repeat(255), value: new Uint8Array(32_768) })]);
    expect(admitted).toHaveLength(1);
  });

  it("has a time that a calendar can show: the source's if it is one, else ours", () => {
    const times = [Number.NaN, 1e20, -1, 5].map(
      (sourceMs) => through([reading({ sourceMs })]).admitted[0]?.timeMs,
    );
    expect(times).toEqual([1_800_000_000_000, 1_800_000_000_000, 0, 5]);
    expect(through([reading({ monoMs: Number.NaN })]).admitted[0]).toMatchObject({
      monoMs: 50_000,
      timeMs: 1_800_000_000_000,
    });
    expect(through([reading({ monoMs: 1e18 })]).admitted[0]?.monoMs).toBe(50_000);
  });

  it("has no half of a surrogate pair in it", () => {
    expect(through([reading({ value: "a\ud800b", unit: "\udfff" })]).admitted).toMatchObject([
      { value: "a\ufffdb", unit: "\ufffd" },
    ]);
  });
});

const batch = {
  device: "d",
  stream: "s",
  epoch: { boot: "b", bootSeq: 1, clock: "ntp" },
  seq: 0,
  lost: [],
} as const;

describe("turned away and counted is", () => {
  it.each<[TurnedAway, Partial<Reading>]>([
    ["bad_name", { name: "ä" }],
    ["bad_name", { name: "" }],
    ["not_finite", { value: Number.NaN }],
    ["too_long", { value: "語".repeat(READINGS_BYTES_MAX / 3) }],
    ["too_long", { value: "\u0001".repeat(READINGS_BYTES_MAX / 6) }],
    ["too_long", { value: new Uint8Array(1e6) }],
    ["too_long", { value: 1, unit: "u".repeat(READINGS_BYTES_MAX) }],
    ["bad_value", { value: undefined as unknown as number }],
    ["bad_value", { value: { a: 1 } as unknown as string }],
  ])("%s", (why, change) => {
    expect(through([reading(change)])).toEqual({ admitted: [], away: [why] });
  });

  it("what comes too soon, unless the one before was not kept after all", () => {
    const state: DoorState = { lastIn: new Map() };
    const channels = { n: { show: true, every: 10_000 } };
    const first = through([reading({ monoMs: 30_000 })], channels, state);
    expect(through([reading({ monoMs: 35_000 })], channels, state).away).toEqual(["thinned"]);
    takeBack(first.admitted, state);
    expect(through([reading({ monoMs: 35_000 })], channels, state).admitted).toHaveLength(1);
    expect(through([reading({ monoMs: 45_000 })], channels, state).admitted).toHaveLength(1);
  });
});

describe("last values", () => {
  it("keep little of a long one, and no more names than stated", () => {
    const values = new LastValues({});
    const stamp = { timeMs: 1, monoMs: 1 };
    values.take([{ name: "long", value: "é".repeat(40_000), ...stamp }]);
    values.take([{ name: "bytes", value: new Uint8Array(40_000), ...stamp }]);
    expect(values.views(1).map(({ value }) => String(value).length)).toEqual([11, 259]);
    values.take(Array.from({ length: 5000 }, (_, index) => ({ name: `n${index}`, value: 1, ...stamp })));
    expect(values.views(1)).toHaveLength(2000);
  });
});

it("a time beyond every calendar is shown as it stands", () => {
  expect(timeText(Number.MAX_SAFE_INTEGER)).toBe("9007199254740991 ms");
});
