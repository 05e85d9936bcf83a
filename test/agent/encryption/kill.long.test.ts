// The encrypted agent dies at each of its store operations in turn (half an hour), until one number is beyond what a whole life needs.
import { describe, expect, it } from "vitest";
import { dieAndLive } from "./kill-round.ts";

/** A life makes some 200 operations, more the longer its readings take to arrive; more than this means that the loop has lost its end. */
const OPERATIONS_MAX = 400;

describe("an encrypted agent that dies at its Nth store operation", () => {
  it.each(["lost", "unheard", "unsynced"] as const)("%s, for each N", async (fault) => {
    let nth = 1;
    while (await dieAndLive(fault, nth)) {
      nth += 1;
      expect(nth).toBeLessThan(OPERATIONS_MAX);
    }
  });
});
