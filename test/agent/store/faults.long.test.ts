// The fault loop, as SQLite tests itself: the 1st, 2nd, ... call fails, once and for good, until the scenario passes without meeting the fault.
// Beyond the first dozen the calls repeat themselves, so the steps grow.
import { describe, expect, it } from "vitest";
import { needs, which } from "#test/support/peers.ts";
import { FAULTS, type Fault, nameOf, survives } from "./faulty.ts";

const NTH_MAX = 20_000;

const nextOf = (nth: number): number => (nth < 12 ? nth + 1 : Math.ceil(nth * 1.5));

needs("cc", which("cc"), (cc) => {
  const inWorker = FAULTS.map((fault): Fault => ({ ...fault, file: "petrel.db" }));
  describe("a store keeps its word whichever call it is when", () => {
    for (const fault of [...FAULTS, ...inWorker])
      it(nameOf(fault), async () => {
        let nth = 1;
        while (await survives(cc, fault, nth)) nth = nextOf(nth);
        expect(nth).toBeGreaterThan(3);
        expect(nth).toBeLessThan(NTH_MAX);
      });
  });
});
