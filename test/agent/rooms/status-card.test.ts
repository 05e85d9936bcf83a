import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { edit } from "#agent/matrix/relations.ts";
import { checkEvent } from "#agent/matrix/validate.ts";
import { type Snapshot, statusContent, statusText } from "#agent/rooms/status-card.ts";

const snapshot: Snapshot = {
  device: "d",
  version: "0.1.0",
  state: "online",
  upMs: 1000,
  clock: "ntp",
  asOfMs: Date.UTC(2026, 10, 24, 17, 58),
  drivers: [],
  channels: [],
  readings: [],
  waiting: 0,
  lost: 0,
  alarms: [],
};

const odd = fc
  .constantFrom('"', "<", "\u0001", "語", "😀", "\ud800", "a")
  .chain((unit) => fc.oneof(fc.nat(3), fc.nat(20_000)).map((count) => unit.repeat(count)));

describe("the status card", () => {
  it("as an edit is an event that servers take, whatever drivers say and measure", () => {
    const channel = fc.record({
      name: fc.constant("n".repeat(255)),
      label: odd,
      value: odd,
      ageMs: fc.nat(),
    });
    const driver = fc.record({ name: odd, state: fc.constant("down" as const), detail: odd });
    fc.assert(
      fc.property(
        fc.array(channel, { maxLength: 5 }),
        fc.array(driver, { maxLength: 5 }),
        fc.integer({ min: 1, max: 400 }),
        (channels, drivers, times) => {
          const many = <T>(list: readonly T[]): T[] => Array.from({ length: times }, () => list).flat();
          const card = statusContent({ ...snapshot, channels: many(channels), drivers: many(drivers) });
          const content = edit(card, `$${"e".repeat(254)}`);
          checkEvent({ roomId: "r".repeat(255), sender: "s".repeat(255), type: "m.room.message", content });
        },
      ),
      { numRuns: 100 },
    );
  });

  it("shows thirty readings and says how many more there are", () => {
    const channels = Array.from({ length: 42 }, (_, index) => ({
      name: `n${index}`,
      value: index,
      ageMs: 0,
    }));
    const text = statusText({ ...snapshot, channels });
    expect(text).toContain("n29: 29");
    expect(text).not.toContain("n30: 30");
    expect(text).toContain("12 more readings");
  });
});
