// The same as power-cut.test.ts, for longer.
import { describe, expect, it } from "vitest";
import { needs, which } from "#test/support/peers.ts";
import { checkPowerCuts } from "./power-cut-check.ts";

needs("cc", which("cc"), (cc) => {
  describe("a power cut", () => {
    for (const sources of [1, 4, 16])
      it(`takes no row that was reported durable, ${sources} sources, 200 states`, async () => {
        const looked = await checkPowerCuts(cc, { seed: sources, sources, restarts: 8, states: 200 });
        expect(looked).toBeGreaterThan(5_000);
      });
  });
});
