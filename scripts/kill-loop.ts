// `node scripts/kill-loop.ts [--kills N] [--seed S] [--plain] [--synapse]`: an outside MQTT publisher numbers its values, the agent (the bundle, a process of its own) is
// killed with `kill -9` at seeded moments while the homeserver misbehaves; at the end every number that the broker acknowledged must be in the room exactly
// once and in order, counted on the server. Exit code 0: it holds. test/acceptance/README.md says what was run.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { which } from "#test/support/peers.ts";
import { buildAgent } from "./build.ts";
import { type KillLoopResult, killLoop } from "./kill-loop/loop.ts";
import { loopbackTarget, synapseTarget } from "./kill-loop/target.ts";

const HELP = `usage: node scripts/kill-loop.ts [options]
  --kills <n>   how often the agent is killed (default 100; about half a second each)
  --seed <n>    of the moments and of the server's troubles (default 1); the same seed, the same plan
  --every <ms>  a number is published so often (default 20)
  --power       two kills in three cut the power too: what was not synced is lost, sector by sector (needs cc)
  --plain       rooms that are not encrypted; default: encrypted ones, opened by matrix-js-sdk
  --synapse     against a real Synapse, whose answers are lost on the way; default: the loopback homeserver with its faults
  --json        the result as one JSON line
needs mosquitto (apt-get install mosquitto)`;

const options = {
  kills: { type: "string", default: "100" },
  seed: { type: "string", default: "1" },
  every: { type: "string", default: "20" },
  power: { type: "boolean", default: false },
  plain: { type: "boolean", default: false },
  synapse: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

const whole = (name: string, value: string, least: number): number => {
  const number = Number(value);
  if (Number.isInteger(number) && number >= least) return number;
  throw new RangeError(`--${name}: expected a whole number of at least ${least}, found "${value}"`);
};

const progress = (line: string): void => {
  // On a terminal one line that changes; in a file, every line.
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`);
  else console.error(line);
};

const show = (name: string, seed: number, result: KillLoopResult): void => {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  const perKill = ((result.seconds / result.kills) * 1000).toFixed(0);
  console.log(
    `${name}: ${result.kills} kills (seed ${seed}) in ${result.seconds.toFixed(0)} s, ${perKill} ms each`,
  );
  console.log(`  ${result.acknowledged} numbers acknowledged by the broker`);
  console.log(
    `  in the room: ${result.events} events, ${result.rawReadings} readings in ${result.streams} streams; ${result.rawDuplicates} readings in ${result.duplicateEvents} events are there a second time (dropped by stream and number)`,
  );
  console.log(
    `  ${result.troubled} requests met a fault or lost their answer; ${result.impatient} kills came without their moment`,
  );
  if (result.powerCuts > 0)
    console.log(
      `  ${result.powerCuts} of the kills cut the power: ${result.lostBytes} bytes that were written were lost`,
    );
  for (const problem of result.problems) console.log(`  PROBLEM ${problem}`);
  console.log(
    result.problems.length === 0
      ? "every acknowledged number is in the room once, in order"
      : "the proof FAILS",
  );
};

const main = async (): Promise<number> => {
  const { values } = parseArgs({ options });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const plan = {
    kills: whole("kills", values.kills, 1),
    seed: whole("seed", values.seed, 0),
    publishEveryMs: whole("every", values.every, 1),
  };
  const mosquitto = which("mosquitto");
  if (mosquitto === null) throw new Error("mosquitto is missing: apt-get install mosquitto");
  const cc = values.power ? which("cc") : null;
  if (values.power && cc === null) throw new Error("cc is missing: apt-get install gcc");
  const folder = mkdtempSync(join(tmpdir(), "petrel-kill-loop-bundle-"));
  try {
    progress("building the agent ...");
    await buildAgent(folder);
    const target = values.synapse
      ? await synapseTarget(!values.plain, progress)
      : await loopbackTarget(!values.plain);
    try {
      const program = [process.execPath, join(folder, "petrel.mjs")];
      const power = cc === null ? {} : { powerCuts: cc };
      const result = await killLoop({ ...plan, ...power, target, mosquitto, program, progress });
      if (values.json) console.log(JSON.stringify({ target: target.name, seed: plan.seed, ...result }));
      else show(target.name, plan.seed, result);
      return result.problems.length === 0 ? 0 : 1;
    } finally {
      await target.dispose();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`kill-loop: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
