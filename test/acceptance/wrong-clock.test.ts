// A real agent process whose clock is wrong (libfaketime, loaded into that process alone), on a real Synapse: while the clock is unset nothing is done that
// changes anything, and once it is set the same command runs. The wrong clock is a file that the test rewrites, as an operator would set the date.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RealServer } from "#scripts/servers/types.ts";
import { startSynapse, synapseAvailable } from "#scripts/synapse.ts";
import { needs } from "#test/support/peers.ts";
import { temporaryFolder } from "../agent/whole-agent.ts";
import { eventually, makeSite, online } from "./site.ts";

const LIBRARIES = ["x86_64", "aarch64", "arm"].map(
  (machine) => `/usr/lib/${machine}-linux-gnu${machine === "arm" ? "eabihf" : ""}/faketime/libfaketime.so.1`,
);

const peers = (): string | null =>
  synapseAvailable() === null ? null : (LIBRARIES.find((path) => existsSync(path)) ?? null);

const YAML = `commands:
  list:
    hello: { level: 0, run: { program: /bin/echo, args: ["hello"] } }
drivers: { sim: { type: simulator } }
delivery: { batch: { max_age: 200ms, max_count: 50 } }
`;

needs("faketime, synapse", peers(), (library) => {
  let server: RealServer;
  beforeAll(async () => {
    server = await startSynapse({ liftLimits: true });
  });
  afterAll(() => server.stop());

  it("refuses a command while the clock is unset, and runs it once the clock is set", {
    timeout: 120_000,
  }, async () => {
    const file = join(temporaryFolder(), "clock");
    writeFileSync(file, "-5h");
    const site = await makeSite({ server, plain: true, yaml: YAML });
    const environment = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      // Monotonic time is the kernel's, as on a board: only the date is wrong.
      DONT_FAKE_MONOTONIC: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    site.start(environment);
    await online(site);
    const refused = await site.say(site.operator, "!petrel hello");
    await eventually("the refusal", async () => (await site.repliesTo(refused)).length > 0);
    expect((await site.repliesTo(refused))[0]).toContain("this device does not know the time yet");
    const unset = await site.telemetry();
    expect(unset.map(({ clock }) => clock)).toContain("unset");

    writeFileSync(file, "+0h");
    await eventually("readings of a clock that is known", async () =>
      (await site.telemetry()).some(({ clock }) => clock === "rtc" || clock === "ntp"),
    );
    const asked = await site.say(site.operator, "!petrel hello");
    await eventually("the answer", async () => (await site.repliesTo(asked)).length > 0);
    expect((await site.repliesTo(asked))[0]).toBe("hello");
    const known = (await site.telemetry()).filter(({ clock }) => clock !== "unset");
    for (const { offsetMs, readings } of known)
      for (const { timeMs } of readings) {
        expect(Math.abs(timeMs - Date.now())).toBeLessThan(120_000);
        expect(offsetMs === 0 || Math.abs(offsetMs - 5 * 3_600_000) < 2000).toBe(true);
      }
  });
});
