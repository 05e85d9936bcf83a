// What the gpio driver does under stress on a real kernel. Runs in the guest; kernel.long.test.ts judges.
import { readdirSync, readFileSync } from "node:fs";
import { DOOR, FLOW, monoMs, plug, pull, RAIN } from "./chip.ts";
import { result, say } from "./report.ts";
import { killed, stamps, up, written } from "./scenes.ts";
import { createStage, pause, type Stage, until } from "./stage.ts";

const isTool = (pid: string, tool: string): boolean => {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.some((word) => word === tool || word.endsWith(`/${tool}`));
  } catch {
    return false;
  }
};

const pidsOf = (tool: string): number[] =>
  readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && isTool(pid, tool))
    .map(Number);

/** As many edges as fast as `gapMs` allows; what arrives, and what the driver itself calls lost. */
const burst = async (stage: Stage, edges: number, gapMs: number): Promise<void> => {
  const before = stage.of("rain").length;
  const lostBefore = stage.counts.get("edges_lost") ?? 0;
  const start = monoMs();
  for (let index = 0; index < edges; index += 1) {
    pull(RAIN, index % 2 === 0 ? 1 : 0);
    // A busy wait: this process does not read meanwhile, as a busy agent would not. From edge to edge: an emulator that was held up must not make up for it.
    const due = monoMs() + gapMs;
    while (monoMs() < due);
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

/** A gpiomon that is stopped for 101 edges: the kernel keeps 16 of them, and two equal edges in a row prove that some are gone. */
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
  const lost = (stage.counts.get("edges_lost") ?? 0) - lostBefore;
  result("stopped", { received: stage.of("rain").length - before, lost });
};

const debounced = async (stage: Stage): Promise<void> => {
  const before = stage.of("flow").length;
  for (const level of [1, 0, 1, 0, 1] as const) pull(FLOW, level);
  await until(() => stage.of("flow").length > before);
  await pause(300);
  const values = stage.of("flow").map(({ value }) => value);
  result("debounced", values.slice(before));
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
const stage = createStage({ inputs, outputs: [{ name: "pump", line: "pump" }] }, say);
await up(stage);
await stamps(stage, 20);
await burst(stage, 500, 1);
await burst(stage, 500, 0.2);
await stopped(stage);
await debounced(stage);
await written(stage);
await killed(["libgpiod"]);
const pump = { name: "pump", line: "pump", after_stop: "release" };
await unplugged(createStage({ inputs: inputs.slice(0, 1), outputs: [pump] }, say));
result("end", true);
