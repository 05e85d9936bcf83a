// The gpio driver on a real kernel. Runs in the guest; prints one line `RESULT {...}` per finding, which kernel.long.test.ts judges.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DOOR, FLOW, monoMs, PUMP, plug, pull, RAIN, voltage } from "./chip.ts";
import { createStage, pause, type Stage, until } from "./stage.ts";

const say = (line: string): void => console.log(line);
const result = (name: string, value: unknown): void =>
  say(`RESULT ${JSON.stringify({ name, value, atMs: Math.round(monoMs()) })}`);

const up = async (stage: Stage): Promise<void> => {
  await stage.driver.start();
  await until(() => stage.states.at(-1)?.state === "up");
};

const pidsOf = (word: string): number[] =>
  readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8")
          .split("\0")
          .some((part) => part === word || part.endsWith(`/${word}`));
      } catch {
        return false;
      }
    })
    .map(Number);

/** Edges become readings at the kernel's own time: the stamp lies between the moment before and the moment after the change outside. */
const stamps = async (stage: Stage): Promise<void> => {
  const latenciesMs: number[] = [];
  let within = 0;
  for (let index = 0; index < 20; index += 1) {
    const before = monoMs();
    pull(DOOR, index % 2 === 0 ? 1 : 0);
    const after = monoMs();
    const seen = stage.of("door").length;
    await until(() => stage.of("door").length > seen || stage.of("door").length === index + 2);
    const at = stage.of("door").at(-1)?.monoMs ?? 0;
    if (at >= before && at <= after + 1) within += 1;
    latenciesMs.push(monoMs() - at);
  }
  latenciesMs.sort((a, b) => a - b);
  result("stamps", {
    values: stage.of("door").map(({ value }) => value),
    within,
    medianMs: latenciesMs[10],
    maxMs: latenciesMs.at(-1),
  });
};

/** As many edges as fast as `gapMs` allows; what arrives, and what the driver itself calls lost. */
const burst = async (stage: Stage, edges: number, gapMs: number): Promise<void> => {
  const before = stage.of("rain").length;
  const lostBefore = stage.counts.get("edges_lost") ?? 0;
  const start = monoMs();
  for (let index = 0; index < edges; index += 1) {
    pull(RAIN, index % 2 === 0 ? 1 : 0);
    // A busy wait, or the event loop would read between all edges.
    const due = start + (index + 1) * gapMs;
    while (monoMs() < due);
    if (index % 10 === 9) await new Promise(setImmediate);
  }
  const seconds = (monoMs() - start) / 1000;
  await until(() => stage.of("rain").length - before >= edges, 3_000);
  result(`burst ${gapMs}`, {
    edges,
    perSecond: Math.round(edges / seconds),
    received: stage.of("rain").length - before,
    lost: (stage.counts.get("edges_lost") ?? 0) - lostBefore,
  });
};

/** A reader that is stopped for 101 edges: the kernel keeps 16 of them, and two equal edges in a row prove that some are gone. */
const stopped = async (stage: Stage): Promise<void> => {
  const before = stage.of("rain").length;
  const lostBefore = stage.counts.get("edges_lost") ?? 0;
  const monitors = pidsOf("gpiomon");
  for (const pid of monitors) process.kill(pid, "SIGSTOP");
  for (let index = 0; index < 101; index += 1) pull(RAIN, index % 2 === 0 ? 1 : 0);
  for (const pid of monitors) process.kill(pid, "SIGCONT");
  await pause(500);
  pull(RAIN, 0);
  await pause(500);
  result("stopped", {
    received: stage.of("rain").length - before,
    lost: (stage.counts.get("edges_lost") ?? 0) - lostBefore,
  });
};

const debounced = async (stage: Stage): Promise<void> => {
  const before = stage.of("flow").length;
  for (const level of [1, 0, 1, 0, 1] as const) pull(FLOW, level);
  await pause(400);
  result(
    "debounced",
    stage
      .of("flow")
      .slice(before)
      .map(({ value }) => value),
  );
};

const written = async (stage: Stage): Promise<void> => {
  const seen: number[] = [voltage(PUMP)];
  for (const word of ["on", "off", "on"]) {
    await stage.driver.write?.({ target: "pump", payload: Buffer.from(word) });
    seen.push(voltage(PUMP));
  }
  await stage.driver.stop();
  await pause(200);
  seen.push(voltage(PUMP));
  result("written", seen);
};

/** The agent is killed while it drives: how long until the line is safe, and whether it stays so against a pull the other way. */
export const killed = async (name: string, args: readonly string[]): Promise<void> => {
  pull(PUMP, 1);
  const agent = spawn(process.execPath, [join(import.meta.dirname, "agent.ts"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  agent.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const driving = await until(() => said.includes("driving"), 60_000);
  const before = voltage(PUMP);
  const at = monoMs();
  agent.kill("SIGKILL");
  await once(agent, "exit");
  const safe = await until(() => voltage(PUMP) === 0, 10_000);
  const afterMs = Math.round(monoMs() - at);
  await pause(1_000);
  result(name, { driving, before, safe, afterMs, later: voltage(PUMP) });
};

const unplugged = async (stage: Stage): Promise<void> => {
  await up(stage);
  plug(false);
  const noticed = await until(() => stage.states.at(-1)?.state === "down");
  const detail = stage.states.at(-1)?.detail;
  plug(true);
  const back = await until(() => stage.states.at(-1)?.state === "up", 60_000);
  const before = stage.of("door").length;
  pull(DOOR, 1);
  const reads = await until(() => stage.of("door").length > before);
  await stage.driver.stop();
  result("unplugged", { noticed, detail, back, reads });
};

const inputs = [
  { name: "door", line: "door" },
  { name: "rain", line: RAIN, chip: "edge-sim" },
  { name: "flow", line: "flow", debounce_ms: 50 },
];

const main = createStage({ inputs, outputs: [{ name: "pump", line: "pump" }] }, say);
await up(main);
await stamps(main);
await burst(main, 500, 1);
await burst(main, 500, 0.2);
await stopped(main);
await debounced(main);
await written(main);
await killed("killed", ["libgpiod"]);
await unplugged(
  createStage(
    { inputs: inputs.slice(0, 1), outputs: [{ name: "pump", line: "pump", after_stop: "release" }] },
    say,
  ),
);
result("end", true);
