// Drives what ships, however it is started (a single executable, a bundle on some Node, either under an emulator), against the loopback homeserver.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { parseTelemetry, type ReceivedReading } from "#agent/telemetry/index.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { call, readType, text } from "#test/peers/http.ts";

/** A command and the arguments that come before petrel's own. */
export type Program = readonly [command: string, ...args: string[]];

const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-shipped-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** What a run to the end wrote to its standard output; throws unless it ended with 0. Its compile cache is its own. */
export const output = ([command, ...before]: Program, ...args: readonly string[]): string =>
  execFileSync(command, [...before, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, XDG_CACHE_HOME: temporaryFolder() },
  });

/** A configuration that names serial, MQTT and GPIO, checked by the program: what it says. */
export const checked = (program: Program): string => {
  const file = join(temporaryFolder(), "petrel.yaml");
  writeFileSync(
    file,
    `version: 1
device: { name: d }
homeserver: { server: example.org, user: d }
drivers:
  gps: { type: serial, path: /dev/ttyX, framing: { type: lines } }
  site: { type: mqtt, url: "mqtt://127.0.0.1:1883", client_id: d, subscriptions: [{ filter: "a/#" }] }
  pins: { type: gpio, inputs: [{ name: door, line: GPIO4 }] }
`,
  );
  return output(program, "-c", file, "check");
};

export interface ShippedRun {
  /** From the start of the process to the first reading in the room. */
  readonly firstReadingMs: number;
  readonly readings: readonly ReceivedReading[];
  /** How it ended after SIGTERM, and all that it wrote. */
  readonly exitCode: number | null;
  readonly said: string;
}

const POLL_MS = 20;
const WAIT_MS = 60_000;

const poll = async <T>(ask: () => Promise<T | null>, what: () => string): Promise<T> => {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const found = await ask();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(what());
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};

/** Runs `petrel run` with these drivers until a reading of that name has come, then ends it with SIGTERM. */
export const runUntil = async (program: Program, drivers: string, name: string): Promise<ShippedRun> => {
  const server = await startHomeserver();
  onTestFinished(() => server.stop());
  const device = await server.addUser("drone");
  const token = device.accessToken;
  const makeRoom = async (): Promise<string> => {
    const body = { preset: "private_chat" };
    const made = await call(server.url, "POST", "/_matrix/client/v3/createRoom", { token, body });
    return text(made.json, "room_id");
  };
  const [data, people, folder] = [await makeRoom(), await makeRoom(), temporaryFolder()];
  const file = join(folder, "petrel.yaml");
  writeFileSync(
    file,
    `version: 1
device: { name: d, state: ${folder}/state }
homeserver: { url: "${server.url}", user: "${device.userId}", password: { env: SHIPPED_PASSWORD } }
encryption: { enabled: false }
rooms: { data: { room: "${data}" }, people: { room: "${people}" } }
drivers:
  ${drivers}
delivery: { batch: { max_age: 200ms, max_count: 100 } }
log: { format: json }
`,
  );
  const started = performance.now();
  const [command, ...before] = program;
  const child = spawn(command, [...before, "-c", file, "run"], {
    env: { ...process.env, SHIPPED_PASSWORD: device.password, XDG_CACHE_HOME: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
  const readings = await poll(
    async () => {
      const events = await readType(server.url, token, data, "dev.petrel.telemetry");
      const all = events.flatMap(({ content }) => [...parseTelemetry(content).readings]);
      return all.some((reading) => reading.name === name) ? all : null;
    },
    () => `no reading ${name} within ${WAIT_MS} ms; the agent said:\n${said}`,
  );
  const firstReadingMs = performance.now() - started;
  child.kill("SIGTERM");
  await ended;
  return { firstReadingMs, readings, exitCode: child.exitCode, said };
};
