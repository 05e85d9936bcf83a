// The encrypted agent dies at its Nth store operation, in samples; kill.long.test.ts goes through them one by one.
import { describe, expect, it } from "vitest";
import { dieAndLive } from "./kill-round.ts";

describe("an encrypted agent that dies at its Nth store operation", () => {
  it.each([
    ["lost", [12, 33, 75]],
    ["unheard", [16, 30, 90]],
    ["unsynced", [14]],
  ] as const)(
    "%s: reuses nothing, loses nothing",
    async (fault, numbers) => {
      for (const nth of numbers) expect(await dieAndLive(fault, nth)).toBe(true);
    },
    240_000,
  );
});
