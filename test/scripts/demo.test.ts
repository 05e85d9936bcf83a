// `npm run demo -- --once`, as the README says it: exit 0, and nothing left running.
import { execFile, execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { synapseAvailable } from "#scripts/synapse.ts";
import { needs } from "#test/support/peers.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Processes that work in the demo's temporary folders. */
const left = (): string[] =>
  execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes("petrel-demo-"));

const demo = async (...options: readonly string[]): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, ["scripts/demo.ts", "--once", ...options], {
    cwd: ROOT,
    timeout: 90_000,
  });
  return stdout;
};

it("shows a telemetry event and an answered command, and ends", { timeout: 95_000 }, async () => {
  const output = await demo();
  expect(output).toMatch(/\d+ telemetry events? with \d+ readings/);
  expect(output).toContain('@drone: sent "on" to site drone/relay/set');
  expect(output).toMatch(/no gap, no duplicate: \d+ readings of 1 stream\n/);
  expect(left()).toEqual([]);
});

needs("synapse", synapseAvailable(), () => {
  it("does the same on a real Synapse with its own rate limits", { timeout: 95_000 }, async () => {
    const output = await demo("--synapse");
    expect(output).toContain('@drone: sent "on" to site drone/relay/set');
    expect(output).toMatch(/no gap, no duplicate: \d+ readings of 1 stream\n/);
    expect(left()).toEqual([]);
  });
});
