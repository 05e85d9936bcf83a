// Starts Debian's mosquitto as it is, on a loopback port chosen by the system, with a configuration of the test's own; and its command line clients.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { which } from "#test/support/peers.ts";
import { until } from "../harness.ts";

export interface Mosquitto {
  readonly port: number;
  readonly folder: string;
  /** What the broker has logged so far (`log_type all`): one line per packet. */
  log(): string;
  start(): Promise<void>;
  /** Kills it without a farewell. */
  kill(): Promise<void>;
  dispose(): Promise<void>;
}

/** A port that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });

const exited = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });

/** Writes the configuration; the broker itself is started by `start`. `lines` are added to it, `{folder}` in them is replaced. */
export const createMosquitto = async (
  program: string,
  lines: readonly string[] = ["allow_anonymous true"],
): Promise<Mosquitto> => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-mosquitto-"));
  const port = await freePort();
  const config = join(folder, "mosquitto.conf");
  // Started by root, mosquitto would become its own user and could not read the folder; "user root" keeps it as it is, and says nothing to others.
  const text = [
    "user root",
    `listener ${port} 127.0.0.1`,
    "log_type all",
    "log_dest stderr",
    "persistence false",
    ...lines,
  ];
  writeFileSync(config, `${text.join("\n").replaceAll("{folder}", folder)}\n`);
  let child: ChildProcess | null = null;
  let log = "";

  const start = async (): Promise<void> => {
    if (child !== null) return;
    // The kernel ends it with this process, however that ends, where util-linux can ask for it.
    const setpriv = which("setpriv");
    const line = [program, "-c", config];
    const [first = program, ...rest] = setpriv === null ? line : [setpriv, "--pdeathsig", "KILL", ...line];
    const started = spawn(first, rest, { stdio: ["ignore", "ignore", "pipe"] });
    child = started;
    const from = log.length;
    started.stderr?.on("data", (chunk: Buffer) => {
      log += chunk.toString();
    });
    await until(() => log.slice(from).includes("running") || started.exitCode !== null, "mosquitto to run");
    if (started.exitCode !== null) throw new Error(`mosquitto ended: ${log.slice(from)}`);
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = null;
    running?.kill("SIGKILL");
    if (running !== null) await exited(running);
  };
  const dispose = async (): Promise<void> => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  };
  return { port, folder, log: () => log, start, kill, dispose };
};

/** Runs a command line client to its end; its output, or an error with what it said. */
export const run = (program: string, args: readonly string[], input = ""): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${program} ended with ${code}: ${output}`)),
    );
    // A client that needs no input may be gone before it is offered any.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });

/** Publishes one message by mosquitto_pub. */
export const publish = (
  port: number,
  topic: string,
  payload: string,
  more: readonly string[] = ["-q", "1"],
): Promise<string> =>
  run("mosquitto_pub", ["-h", "127.0.0.1", "-p", String(port), "-t", topic, "-m", payload, ...more]);
