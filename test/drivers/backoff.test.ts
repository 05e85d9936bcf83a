import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs, jitterOf, RECONNECT } from "#drivers/backoff.ts";

describe("the back-off of a driver", () => {
  it("doubles from half a second to half a minute", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 40].map((attempt) => backoffMs(attempt, 1))).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
    ]);
  });

  it("takes up to half of the step away by jitter, never more, never adding", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2_000 }),
        fc.double({ min: 0, max: 0.999_999, noNaN: true }),
        (attempt, jitter) => {
          const delay = backoffMs(attempt, jitter);
          const step = backoffMs(attempt, 1);
          expect(delay).toBeGreaterThanOrEqual(step / 2);
          expect(delay).toBeLessThanOrEqual(step);
          expect(step).toBeLessThanOrEqual(RECONNECT.maxMs);
        },
      ),
    );
  });

  it("draws a jitter in [0, 1) from random bytes", () => {
    expect(jitterOf((length) => new Uint8Array(length))).toBe(0);
    expect(jitterOf((length) => new Uint8Array(length).fill(255))).toBeLessThan(1);
    expect(jitterOf((length) => new Uint8Array(length).fill(255))).toBeGreaterThan(0.9999);
  });

  it("refuses an attempt that is no count", () => {
    expect(() => backoffMs(-1, 0)).toThrow(RangeError);
    expect(() => backoffMs(0.5, 0)).toThrow(RangeError);
  });
});
