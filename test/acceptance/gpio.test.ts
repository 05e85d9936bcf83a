// Acceptance 4: the whole agent on a real kernel's GPIO chip (gpio-sim in an emulated machine), libgpiod 1 and 2, the loopback homeserver inside the guest.
import { relative, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { buildAgent } from "#scripts/build.ts";
import { runInGuest } from "#scripts/gpio-vm.ts";
import { guest } from "#test/drivers/gpio/guest-results.ts";
import { needs } from "#test/support/peers.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** Within the checkout: that is what the guest sees of this machine. */
const BUNDLE = resolve(ROOT, ".cache/guest-agent");
const GUEST_LIMIT_MS = 600_000;

const resultsOf = (lines: readonly string[]): Map<string, unknown> => {
  const found = lines
    .filter((line) => line.startsWith("RESULT "))
    .map((line) => JSON.parse(line.slice("RESULT ".length)) as { name: string; value: unknown });
  return new Map(found.map(({ name, value }) => [name, value]));
};

needs("qemu gpio-sim", guest(), () => {
  beforeAll(() => buildAgent(BUNDLE));

  describe.each([1, 2] as const)("the agent with libgpiod %i", (version) => {
    it("brings edges into the room at the kernel's time, follows a command, and leaves the output safe when it is killed", {
      timeout: GUEST_LIMIT_MS,
    }, async () => {
      const bundle = `/repo/${relative(ROOT, BUNDLE)}/petrel.mjs`;
      const { code, lines } = await runInGuest("test/acceptance/guest/whole-agent.ts", {
        libgpiod: version,
        args: [bundle],
        limitMs: GUEST_LIMIT_MS - 20_000,
      });
      if (code !== 0) expect.fail(`the guest ended with ${code}:\n${lines.slice(-60).join("\n")}`);
      const results = resultsOf(lines);
      const levels = [false, ...Array.from({ length: 10 }, (_, index) => index % 2 === 0)];
      expect(results.get("edges")).toEqual({ values: levels, within: 10 });
      expect(results.get("output")).toEqual({
        before: 0,
        answered: true,
        reply: 'sent "on" to pins pump',
        on: true,
        safe: true,
      });
    });
  });
});
