// A power cut at any moment: writes and syncs are recorded, and the store is opened in states that the disk could be in. power-cut.long.test.ts tries more.
import { describe, expect, it } from "vitest";
import { needs, which } from "#test/support/peers.ts";
import { checkPowerCuts, checkRereads } from "./power-cut-check.ts";

const SEED = 7;
const STATES = 25;

needs("cc", which("cc"), (cc) => {
  describe("a power cut", () => {
    it(`takes no row that was reported durable (${STATES} states, seed ${SEED})`, async () => {
      const looked = await checkPowerCuts(cc, { seed: SEED, sources: 3, restarts: 3, states: STATES });
      expect(looked).toBeGreaterThan(500);
    });

    it("takes no row that was read after a kill, though the killed process had not synced it", async () => {
      expect(await checkRereads(cc, SEED, STATES)).toBeGreaterThanOrEqual(100);
    });
  });
});
