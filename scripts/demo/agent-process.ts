// The real agent as a process of its own, with a configuration for the demo.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export interface DemoAgent {
  /** The last lines of its log. */
  readonly log: () => readonly string[];
  /** Rejects when the process ends by itself. */
  readonly ended: Promise<never>;
  readonly configFile: string;
  /** Runs a verb beside it; resolves with what it prints, rejects where it fails. */
  verb(...words: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

export interface DemoAgentOptions {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly operator: string;
  readonly brokerPort: number;
  readonly batchAge: string;
}

const LOG_LINES_MAX = 200;

const yamlFor = (
  folder: string,
  { batchAge, brokerPort, operator, url, user }: DemoAgentOptions,
): string => `version: 1
device: { name: demo-drone, state: ${folder}/state }
homeserver: { url: "${url}", user: "${user}", password: { env: PETREL_DEMO_PASSWORD } }
rooms: { operators: ["${operator}"], status_every: ${batchAge} }
drivers:
  site:                       # an MQTT broker inside the agent
    type: broker
    port: ${brokerPort}
    subscriptions: [{ filter: "drone/+" }, { filter: "drone/+/+" }]
channels:
  drone/battery/voltage: { label: battery, unit: V }
  drone/battery/percent: { label: charge, unit: "%" }
  drone/gps/lat: { label: latitude, unit: lat }
  drone/gps/lon: { label: longitude, unit: lon }
  drone/gps/alt: { label: altitude, unit: m }
  drone/attitude/roll: { show: false, unit: deg }
commands:
  list:
    relay:
      help: switches the relay of the drone
      args: { state: { one_of: ["on", "off"] } }
      write: { driver: site, target: drone/relay/set, payload: "{state}" }
delivery: { batch: { max_age: ${batchAge} } }
log: { format: human }
`;

export const startDemoAgent = (options: DemoAgentOptions): DemoAgent => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-demo-"));
  const configFile = join(folder, "petrel.yaml");
  writeFileSync(configFile, yamlFor(folder, options));
  const environment = { ...process.env, PETREL_DEMO_PASSWORD: options.password };
  const child: ChildProcess = spawn(process.execPath, ["agent/main.ts", "--config", configFile, "run"], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const take = (chunk: Buffer): void => {
    lines.push(
      ...chunk
        .toString()
        .split("\n")
        .filter((line) => line !== ""),
    );
    lines.splice(0, Math.max(0, lines.length - LOG_LINES_MAX));
  };
  child.stdout?.on("data", take);
  child.stderr?.on("data", take);
  let stopping = false;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const ended = exited.then((): never | Promise<never> => {
    if (stopping) return new Promise<never>(() => undefined);
    throw new Error(`the agent ended by itself:\n${lines.slice(-10).join("\n")}`);
  });
  return {
    log: () => lines,
    ended,
    configFile,
    verb: async (...words) => {
      const args = ["agent/main.ts", "--config", configFile, ...words];
      return (await promisify(execFile)(process.execPath, args, { env: environment })).stdout;
    },
    stop: async () => {
      stopping = true;
      child.kill("SIGTERM");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
