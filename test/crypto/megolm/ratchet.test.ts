// The ratchet beside its naive twin, which goes one message at a time as the specification is written.
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { advanceRatchet, areConnected, type MegolmRatchet, newRatchet } from "#crypto/megolm/ratchet.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { codeOf } from "#test/crypto/olm/support.ts";
import { PROVIDERS, toHex } from "#test/crypto/provider/support.ts";

const hmac = (key: Uint8Array, data: number): Uint8Array =>
  new Uint8Array(createHmac("sha256", key).update(Uint8Array.of(data)).digest());

/** One step: the highest part whose byte of the counter changes, and all below it, are made anew from it. */
const naiveNext = (ratchet: MegolmRatchet): MegolmRatchet => {
  const index = ratchet.index + 1;
  const source = index % 2 ** 24 === 0 ? 0 : index % 2 ** 16 === 0 ? 1 : index % 2 ** 8 === 0 ? 2 : 3;
  const parts = [0, 1, 2, 3].map((i) => ratchet.bytes.slice(32 * i, 32 * (i + 1)));
  const made = parts.map((part, i) => (i < source ? part : hmac(parts[source]!, i)));
  return { bytes: Uint8Array.from(made.flatMap((part) => [...part])), index };
};

const naiveAdvance = (ratchet: MegolmRatchet, steps: number): MegolmRatchet => {
  let current = ratchet;
  for (let i = 0; i < steps; i += 1) current = naiveNext(current);
  return current;
};

const at = (index: number): MegolmRatchet => ({ bytes: new Uint8Array(128).map((_, i) => i), index });
const same = (a: MegolmRatchet, b: MegolmRatchet): void => {
  expect([a.index, toHex(a.bytes)]).toEqual([b.index, toHex(b.bytes)]);
};

describe.each(PROVIDERS)("the ratchet on the %s provider", (_name, provider) => {
  it("goes as the naive one across the borders of its parts", () => {
    for (const border of [2 ** 8, 2 ** 16, 2 ** 24, 2 ** 32 - 3]) {
      const start = at(border - 3);
      for (const steps of [0, 1, 2, 3, 4, 5]) {
        same(advanceRatchet(provider, start, start.index + steps), naiveAdvance(start, steps));
      }
    }
  });
});

describe("the ratchet", () => {
  it("goes as the naive one from anywhere, by up to 3,000", () => {
    const start = fc.integer({ min: 0, max: 0xffff_ffff - 3000 });
    fc.assert(
      fc.property(start, fc.nat({ max: 3000 }), (index, steps) => {
        same(advanceRatchet(nodeProvider, at(index), index + steps), naiveAdvance(at(index), steps));
      }),
      { numRuns: 40 },
    );
  });

  it("goes in two jumps as in one, however far", () => {
    const far = fc.integer({ min: 0, max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(far, far, (a, b) => {
        const [near, distant] = a <= b ? [a, b] : [b, a];
        const stop = advanceRatchet(nodeProvider, at(0), near);
        same(advanceRatchet(nodeProvider, stop, distant), advanceRatchet(nodeProvider, at(0), distant));
      }),
      { numRuns: 40 },
    );
  });

  it("leaves the one it started from as it was", () => {
    const start = at(7);
    advanceRatchet(nodeProvider, start, 1000);
    same(start, at(7));
    expect(advanceRatchet(nodeProvider, start, 7).bytes).not.toBe(start.bytes);
  });

  it("takes at most 1,020 hashes", () => {
    let hashes = 0;
    const counting = {
      ...nodeProvider,
      hmacSha256: (key: Uint8Array, data: Uint8Array) => {
        hashes += 1;
        return nodeProvider.hmacSha256(key, data);
      },
    };
    advanceRatchet(counting, at(0), 2 ** 31 - 1);
    expect(hashes).toBeLessThanOrEqual(1020);
    hashes = 0;
    advanceRatchet(counting, at(5), 6);
    expect(hashes).toBe(1);
  });

  it.each([
    ["behind", 10, 9],
    ["2^31 ahead", 10, 10 + 2 ** 31],
    ["beyond 2^32 - 1", 2 ** 32 - 5, 2 ** 32],
  ])("does not go %s", (_what, from, to) => {
    expect(codeOf(() => advanceRatchet(nodeProvider, at(from), to))).toBe("UNKNOWN_INDEX");
  });

  it.each([
    ["2^31 - 1 ahead", 10, 9 + 2 ** 31],
    ["to 2^32 - 1", 2 ** 32 - 5, 2 ** 32 - 1],
    ["nowhere", 10, 10],
  ])("goes %s", (_what, from, to) => {
    expect(advanceRatchet(nodeProvider, at(from), to).index).toBe(to);
  });

  it("says from where to where it could not go", () => {
    expect(() => advanceRatchet(nodeProvider, at(10), 9)).toThrow(
      /index 9 is before the first one known, 10/,
    );
    expect(() => advanceRatchet(nodeProvider, at(1), 2 ** 31 + 1)).toThrow(
      /index 2147483649 is too far ahead of 1/,
    );
  });

  it("begins at 0 with 128 random bytes", () => {
    const [one, two] = [newRatchet(nodeProvider), newRatchet(nodeProvider)];
    expect([one.index, one.bytes.length]).toEqual([0, 128]);
    expect(toHex(one.bytes)).not.toBe(toHex(two.bytes));
  });
});

describe("two ratchets", () => {
  const later = (): MegolmRatchet => advanceRatchet(nodeProvider, at(3), 300);

  it("are connected when one comes out of the other, whichever is asked first", () => {
    expect(areConnected(nodeProvider, at(3), later())).toBe(true);
    expect(areConnected(nodeProvider, later(), at(3))).toBe(true);
    expect(areConnected(nodeProvider, at(3), at(3))).toBe(true);
  });

  it("are connected wherever they are, the last half of the indexes too", () => {
    const [start, end] = [at(2 ** 31 + 7), 2 ** 32 - 1];
    expect(areConnected(nodeProvider, start, advanceRatchet(nodeProvider, start, end))).toBe(true);
  });

  it("are not when any byte differs", () => {
    for (const i of [0, 31, 32, 64, 96, 127]) {
      const bytes = later().bytes.map((byte, place) => (place === i ? byte ^ 1 : byte));
      expect(areConnected(nodeProvider, at(3), { bytes, index: 300 })).toBe(false);
    }
    expect(areConnected(nodeProvider, at(3), { ...later(), index: 301 })).toBe(false);
  });

  it("are not when they are further apart than a ratchet goes", () => {
    expect(areConnected(nodeProvider, at(0), at(2 ** 31))).toBe(false);
    expect(areConnected(nodeProvider, at(2 ** 31), at(0))).toBe(false);
  });
});
