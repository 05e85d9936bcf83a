// The gpio driver on a real kernel: the promises that every run must see kept. More of it is in kernel.long.test.ts.
import { describe, expect, it } from "vitest";
import { needs } from "#test/support/peers.ts";
import { guest, resultsOf } from "./guest-results.ts";

const GUEST_LIMIT_MS = 400_000;

needs("qemu gpio-sim", guest(), () => {
  describe.concurrent.each([1, 2] as const)("libgpiod %i", (version) => {
    it.concurrent(
      "turns edges into readings at the kernel's own time, follows writes, and is safe after a stop and after kill -9",
      async () => {
        const results = await resultsOf("short.ts", { libgpiod: version });
        expect(results.get("stamps")).toMatchObject({
          within: 10,
          values: [false, ...Array.from({ length: 10 }, (_, index) => index % 2 === 0)],
        });
        expect(results.get("written")).toEqual([0, 1, 0, 1, 0]);
        expect(results.get("killed")).toMatchObject({ driving: true, before: 1, safe: true, later: 0 });
        expect(results.get("end")).toBe(true);
      },
      GUEST_LIMIT_MS,
    );
  });
});
