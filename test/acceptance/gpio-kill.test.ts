// Acceptance 5, for GPIO: an agent that watches a line is killed with `kill -9` while edges come, and no edge that is older than the flush window is missing.
// The line is a stub chip's (real gpiomon-like processes behind real pipes); gpio.test.ts has a kernel's.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { parseTelemetry, type ReceivedTelemetry } from "#agent/telemetry/index.ts";
import { createStubChip, endProcesses, type StubChip } from "#test/drivers/gpio/stub-chip.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { eventually } from "./site.ts";

const DOOR = 4;
const KILLS = 3;
const EDGE_EVERY_MS = 20;
const EDGES_BEFORE_A_KILL = 150;

/** `delivery.flush` is "each": what is lost is what was on its way to the disk. Wide, for a machine that does much else. */
const FLUSH_WINDOW_MS = 1500;

/** An event tells its monotonic time and its readings' times in whole milliseconds. */
const ROUNDING_MS = 2;

/** An edge, by the kernel's stamp: CLOCK_MONOTONIC in milliseconds. */
interface Edge {
  readonly level: boolean;
  readonly monoMs: number;
}

const monoMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** The readings of an event at their monotonic times: those of one event share a boot and a clock. */
const edgesOf = ({ monoMs: firstMs, readings }: ReceivedTelemetry): Edge[] => {
  const earliest = Math.min(...readings.map(({ timeMs }) => timeMs));
  return readings.map(({ timeMs, value }) => ({
    level: value === true,
    monoMs: firstMs + timeMs - earliest,
  }));
};

const yamlFor = (url: string, userId: string, chip: StubChip): string => `version: 1
device: { name: guarded }
homeserver: { url: "${url}", user: "${userId}", password: { env: PASSWORD } }
encryption: { enabled: false }
drivers: { pins: { type: gpio, backend: libgpiod, tools: "${chip.tools}", inputs: [{ name: door, line: door }] } }
delivery: { batch: { max_age: 50ms } }
`;

const pullForAWhile = async (chip: StubChip): Promise<Edge[]> => {
  const edges: Edge[] = [];
  for (let index = 0; index < EDGES_BEFORE_A_KILL; index += 1) {
    const level = index % 2 === 0;
    const stampMs = monoMs();
    chip.edge(DOOR, DOOR, level ? 1 : 0, stampMs);
    edges.push({ level, monoMs: stampMs });
    await new Promise((resolve) => setTimeout(resolve, EDGE_EVERY_MS));
  }
  return edges;
};

it("has every edge that is older than the flush window when the agent was killed", {
  timeout: 180_000,
}, async () => {
  const server = await startHomeserver();
  onTestFinished(() => server.stop());
  const device = await server.addUser("drone");
  const chip = createStubChip(2);
  chip.appear();
  onTestFinished(() => chip.dispose());
  onTestFinished(() => endProcesses(chip.tools));
  const folder = mkdtempSync(join(tmpdir(), "petrel-gpio-kill-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const configFile = join(folder, "petrel.yaml");
  writeFileSync(configFile, yamlFor(server.url, device.userId, chip));

  const start = async (): Promise<ChildProcess> => {
    const script = join(import.meta.dirname, "gpio-agent.ts");
    const child = spawn(process.execPath, [script, folder, configFile, JSON.stringify(chip.host)], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, PASSWORD: device.password },
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    await eventually(`the driver to be up`, () => said.includes('the driver is up {"driver":"pins"'), 60);
    return child;
  };
  const kill = async (child: ChildProcess): Promise<void> => {
    child.kill("SIGKILL");
    await once(child, "exit");
    await eventually("the watch to be over", () => chip.holder(DOOR) === null, 60);
  };
  const telemetry = (): ReceivedTelemetry[] =>
    [...server.world.rooms.keys()]
      .flatMap((room) => server.events(room))
      .filter(({ type }) => type === "dev.petrel.telemetry")
      .map(({ content }) => parseTelemetry(content));

  const owed: Edge[] = [];
  for (let round = 0; round < KILLS; round += 1) {
    const agent = await start();
    const edges = await pullForAWhile(chip);
    const killedAt = monoMs();
    await kill(agent);
    owed.push(...edges.filter((edge) => edge.monoMs < killedAt - FLUSH_WINDOW_MS));
  }
  await start();
  expect(owed.length).toBeGreaterThan(KILLS * 40);
  const missing = (): Edge[] => {
    const found = telemetry().flatMap(edgesOf);
    return owed.filter(
      (edge) =>
        !found.some(
          ({ level, monoMs: at }) => level === edge.level && Math.abs(at - edge.monoMs) <= ROUNDING_MS,
        ),
    );
  };
  await eventually("every edge that is owed, in the room", () => missing().length === 0, 60);
  const numbers = telemetry().flatMap(({ readings, stream }) =>
    readings.map(({ seq }) => `${stream} ${seq}`),
  );
  expect(new Set(numbers).size).toBe(numbers.length);
});
