// The gpio driver on a real kernel under stress: bursts, a stopped reader, bounces, an unplugged chip, sysfs.
import { beforeAll, describe, expect, it } from "vitest";
import { needs } from "#test/support/peers.ts";
import { compileEpoll } from "./compile-epoll.ts";
import { guest, resultsOf, SCRIPTS } from "./guest-results.ts";

const GUEST_LIMIT_MS = 600_000;

needs("qemu gpio-sim", guest(), () => {
  describe.each([1, 2] as const)("libgpiod %i", (version) => {
    let results = new Map<string, unknown>();
    beforeAll(async () => {
      results = await resultsOf("driver.ts", { libgpiod: version });
    }, GUEST_LIMIT_MS);

    it("loses no edge that comes a millisecond after the one before, while the agent is busy", () => {
      expect(results.get("burst 1")).toMatchObject({ edges: 500, received: 500, lost: 0 });
    });

    it("reports a loss that two equal edges prove", () => {
      expect(results.get("stopped")).toMatchObject({ lost: 1 });
    });

    it("debounces", () => {
      expect(results.get("debounced")).toEqual([true]);
    });

    it("notices that the chip is gone, although the tools do not, and comes back with it", () => {
      const detail = "gpiochip0: the chip is gone; is it plugged in, is its module loaded?";
      expect(results.get("unplugged")).toEqual({ noticed: true, detail, back: true, reads: true });
    });

    it("drives outputs and makes them safe", () => {
      expect(results.get("written")).toEqual([0, 1, 0, 1, 0]);
      expect(results.get("killed")).toMatchObject({ driving: true, before: 1, safe: true, later: 0 });
    });
  });

  it(
    "does the same through sysfs, with the time of arrival",
    async () => {
      const results = await resultsOf("sysfs.ts", {
        libgpiod: 2,
        alias: { epoll: `${SCRIPTS}/epoll.ts` },
        files: [{ path: "job/epoll.node", data: compileEpoll() }],
      });
      expect(results.get("up")).toBe(true);
      expect(results.get("stamps")).toMatchObject({
        values: [false, ...Array.from({ length: 10 }, (_, index) => index % 2 === 0)],
      });
      expect(results.get("written")).toEqual([0, 1, 0, 1, 0]);
      expect(results.get("killed")).toMatchObject({ driving: true, before: 1, safe: true, later: 0 });
    },
    GUEST_LIMIT_MS,
  );
});
