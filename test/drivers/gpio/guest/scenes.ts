// Scenes that more than one guest script plays, on a real kernel.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { DOOR, monoMs, PUMP, pull, voltage } from "./chip.ts";
import { result } from "./report.ts";
import { pause, type Stage, until } from "./stage.ts";

export const up = async (stage: Stage): Promise<boolean> => {
  await stage.driver.start();
  return until(() => stage.states.at(-1)?.state === "up", 60_000);
};

/** Edges become readings at the kernel's own time: the stamp lies between the moment before and the moment after the change outside. */
export const stamps = async (stage: Stage, edges: number): Promise<void> => {
  const latenciesMs: number[] = [];
  let within = 0;
  for (let index = 0; index < edges; index += 1) {
    const seen = stage.of("door").length;
    const before = monoMs();
    pull(DOOR, index % 2 === 0 ? 1 : 0);
    const after = monoMs();
    await until(() => stage.of("door").length > seen);
    const at = stage.of("door").at(-1)?.monoMs ?? 0;
    if (at >= before && at <= after + 1) within += 1;
    latenciesMs.push(monoMs() - at);
  }
  latenciesMs.sort((a, b) => a - b);
  const values = stage.of("door").map(({ value }) => value);
  result("stamps", { values, within, medianMs: latenciesMs[edges >> 1], maxMs: latenciesMs.at(-1) });
};

/** The voltage at the start, after each write, and after the stop, against a pull the other way. */
export const written = async (stage: Stage): Promise<void> => {
  pull(PUMP, 1);
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
export const killed = async (args: readonly string[]): Promise<void> => {
  pull(PUMP, 1);
  const agent = spawn(process.execPath, [join(import.meta.dirname, "agent.mjs"), ...args], {
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
  result("killed", { driving, before, safe, afterMs, later: voltage(PUMP) });
};
