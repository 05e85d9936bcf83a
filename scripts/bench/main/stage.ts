// The stage of the main benches: a homeserver, a real mosquitto, and the contestants as processes: ours (the bundle), and the peers' scripts.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createMosquitto, type Mosquitto } from "#test/drivers/mqtt/mosquitto.ts";
import { call, text } from "#test/peers/http.ts";
import { buildAgent } from "../../build.ts";
import { which } from "../../servers/child.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const BUNDLE_FOLDER: string = join(ROOT, ".cache/bench/bundle");

export interface Account {
  readonly userId: string;
  readonly accessToken: string;
  readonly password: string;
}

export interface BenchServer {
  readonly url: string;
  addUser(name: string, options?: { readonly liftLimits?: boolean }): Promise<Account>;
  stop(): Promise<void>;
}

export interface Stage {
  readonly server: BenchServer;
  readonly broker: Mosquitto;
  readonly device: Account;
  readonly room: string;
  /** The agent's second room, beside the one that carries the readings. */
  readonly peopleRoom: string;
  readonly folder: string;
  dispose(): Promise<void>;
}

/** Bundles the agent once per run: benches measure what ships. */
export const bundle = async (): Promise<void> => {
  mkdirSync(BUNDLE_FOLDER, { recursive: true });
  await buildAgent(BUNDLE_FOLDER);
};

export const mosquittoProgram = (): string | null =>
  which("mosquitto") ?? (existsSync("/usr/sbin/mosquitto") ? "/usr/sbin/mosquitto" : null);

export const setStage = async (server: BenchServer, mosquitto: string): Promise<Stage> => {
  const broker = await createMosquitto(mosquitto);
  await broker.start();
  const device = await server.addUser(`drone${Date.now()}`, { liftLimits: true });
  const makeRoom = async (): Promise<string> => {
    const made = await call(server.url, "POST", "/_matrix/client/v3/createRoom", {
      token: device.accessToken,
      body: { preset: "private_chat" },
    });
    return text(made.json, "room_id");
  };
  const folder = mkdtempSync(join(tmpdir(), "petrel-bench-"));
  return {
    server,
    broker,
    device,
    room: await makeRoom(),
    peopleRoom: await makeRoom(),
    folder,
    dispose: async () => {
      await broker.dispose();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

export interface Contestant {
  readonly child: ChildProcess;
  /** What it wrote. */
  readonly output: () => string;
  stop(): Promise<void>;
}

export const startProcess = (
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Contestant => {
  const child = spawn(process.execPath, [...args], {
    cwd: ROOT,
    env: { ...process.env, NODE_NO_WARNINGS: "1", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout?.on("data", take);
  child.stderr?.on("data", take);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return {
    child,
    output: () => output,
    stop: async () => {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await exited;
      clearTimeout(timer);
    },
  };
};

export interface OursOptions {
  readonly batchAge: string;
  /** More drivers, as YAML with two spaces before each. */
  readonly drivers?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
}

/** The agent's bundle on this stage; its state is kept in the stage's folder, so a second start finds session and rooms. */
export const startOurs = (stage: Stage, options: OursOptions): Contestant => {
  const { broker, device, folder, peopleRoom, room, server } = stage;
  const configFile = join(folder, "petrel.yaml");
  writeFileSync(
    configFile,
    `version: 1
device: { name: bench, state: ${folder}/state }
homeserver: { url: "${server.url}", user: "${device.userId}", password: { env: BENCH_PASSWORD } }
encryption: { enabled: false }
rooms: { data: { room: "${room}" }, people: { room: "${peopleRoom}" }, status_every: 1h }
drivers:
  mqtt: { type: mqtt, url: "mqtt://127.0.0.1:${broker.port}", client_id: bench, clean: true, subscriptions: [{ filter: "sensors/#" }] }
${options.drivers ?? ""}
delivery: { batch: { max_age: ${options.batchAge}, max_count: 1000 } }
log: { level: warn, format: json }
`,
  );
  const args = [
    ...(options.nodeArgs ?? []),
    join(BUNDLE_FOLDER, "petrel.mjs"),
    "--config",
    configFile,
    "run",
  ];
  return startProcess(args, { BENCH_PASSWORD: device.password, ...options.environment });
};

export const startPeer = (
  { broker, device, room, server }: Stage,
  script: "mqtt-bare.mjs" | "mqtt-js-sdk.mjs",
): Contestant =>
  startProcess([join("scripts/bench/peers", script)], {
    MQTT_URL: `mqtt://127.0.0.1:${broker.port}`,
    HOMESERVER: server.url,
    TOKEN: device.accessToken,
    USER_ID: device.userId,
    ROOM: room,
  });

const POLL_MS = 2;

export const until = async (
  what: string,
  condition: () => boolean | Promise<boolean>,
  seconds = 30,
): Promise<void> => {
  const deadline = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`bench: ${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Resident and proportional set size in bytes (proc_pid_smaps(5)). */
export const memoryOf = (pid: number): { readonly rss: number; readonly pss: number } => {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0) * 1024;
  return { rss: kib("Rss"), pss: kib("Pss") };
};
