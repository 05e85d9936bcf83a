// The kill loop at a size for every run (scripts/kill-loop.ts; README.md has the full size): the agent's bundle is killed at seeded moments while the homeserver
// loses answers, refuses, limits and forgets; what the broker acknowledged is in the room exactly once and in order, counted on the server.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { buildAgent } from "#scripts/build.ts";
import { type KillLoopResult, killLoop } from "#scripts/kill-loop/loop.ts";
import { loopbackTarget, synapseTarget, type Target } from "#scripts/kill-loop/target.ts";
import { synapseAvailable } from "#scripts/synapse.ts";
import { needs, which } from "#test/support/peers.ts";

const SEED = 20_261_124;
const KILLS = 25;
const KILLS_POWER = 15;
const KILLS_SYNAPSE = 10;

needs("mosquitto", which("mosquitto"), (mosquitto) => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-kill-loop-test-"));
  beforeAll(() => buildAgent(folder));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const holds = async (
    target: Target,
    kills: number,
    more: { powerCuts?: string } = {},
  ): Promise<KillLoopResult> => {
    onTestFinished(() => target.dispose());
    const program = [process.execPath, join(folder, "petrel.mjs")];
    const result = await killLoop({ ...more, kills, seed: SEED, target, mosquitto, program });
    expect(result.problems).toEqual([]);
    expect(result.kills).toBe(kills);
    expect(result.acknowledged).toBeGreaterThan(kills);
    expect(result.events).toBeGreaterThan(0);
    return result;
  };

  it(`every acknowledged number is in the room once and in order after ${KILLS} kills (seed ${SEED})`, {
    timeout: 240_000,
  }, async () => {
    await holds(await loopbackTarget(true), KILLS);
  });

  needs("cc", which("cc"), (cc) => {
    it(`the same when two kills in three cut the power, from the first start on (seed ${SEED})`, {
      timeout: 240_000,
    }, async () => {
      const { lostBytes, powerCuts } = await holds(await loopbackTarget(true), KILLS_POWER, {
        powerCuts: cc,
      });
      expect(powerCuts).toBeGreaterThan(0);
      // It is a cut only when something is lost by it.
      expect(lostBytes).toBeGreaterThan(0);
    });
  });

  needs("synapse", synapseAvailable(), () => {
    it(`on Synapse and in plain rooms too, after ${KILLS_SYNAPSE} kills (seed ${SEED})`, {
      timeout: 240_000,
    }, async () => {
      await holds(await synapseTarget(false, () => undefined), KILLS_SYNAPSE);
    });
  });
});
