// Programs of others run from here: in a process group of their own, gone when we are, their last words kept for the error.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";

const STOP_MS = 10_000;
const TAIL_LINES = 30;
const POLL_MS = 25;

export const which = (program: string): string | null => {
  if (program.includes("/")) return existsSync(program) ? program : null;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? null;
};

export const freePort = async (): Promise<number> => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no free TCP port");
  return address.port;
};

export interface Running {
  readonly pid: number;
  readonly isAlive: () => boolean;
  /** The last lines it wrote. */
  readonly tail: () => string;
  /** SIGTERM to the group, SIGKILL after ten seconds; resolves when it is gone. */
  readonly stop: () => Promise<void>;
  readonly kill: () => Promise<void>;
}

/** The kernel ends the child when this process dies however it dies, where util-linux can ask for that. */
const dyingWithUs = (command: string, args: readonly string[]): [string, string[]] => {
  const setpriv = which("setpriv");
  return setpriv === null ? [command, [...args]] : [setpriv, ["--pdeathsig", "KILL", command, ...args]];
};

const signalGroup = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone already: that is what was wanted.
  }
};

const keepTail = (child: ChildProcess): (() => string) => {
  let lines: string[] = [];
  const take = (chunk: Buffer): void => {
    lines = [...lines, ...chunk.toString("utf8").split("\n").filter(Boolean)].slice(-TAIL_LINES);
  };
  child.stdout?.on("data", take);
  child.stderr?.on("data", take);
  return () => lines.join("\n");
};

/** Starts a program that is to run until it is stopped. */
export const startChild = (
  command: string,
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): Running => {
  const [program, all] = dyingWithUs(command, args);
  const child = spawn(program, all, {
    cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`could not start ${command}`);
  const tail = keepTail(child);
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const atExit = (): void => signalGroup(pid, "SIGKILL");
  process.once("exit", atExit);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    signalGroup(pid, signal);
    const timer = setTimeout(() => signalGroup(pid, "SIGKILL"), STOP_MS);
    await closed;
    clearTimeout(timer);
    process.removeListener("exit", atExit);
  };
  return {
    pid,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    tail,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
};

/** Runs a program to its end and tells each line it writes; throws with its last lines when it fails. */
export const runChild = async (
  command: string,
  args: readonly string[],
  cwd: string,
  onLine: (line: string) => void = () => undefined,
): Promise<void> => {
  const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const tail = keepTail(child);
  const tell = (chunk: Buffer): void => {
    for (const line of chunk.toString("utf8").split("\n").filter(Boolean)) onLine(line);
  };
  child.stdout.on("data", tell);
  child.stderr.on("data", tell);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve(status));
  });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${tail()}`);
};

/** Polls until `probe` says yes; throws when the child dies first or time is up. */
export const untilReady = async (
  running: Running,
  probe: () => Promise<boolean>,
  timeoutMs: number,
): Promise<void> => {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (await probe()) return;
    if (!running.isAlive()) throw new Error(`the server ended while starting:\n${running.tail()}`);
    if (performance.now() > deadline) {
      await running.kill();
      throw new Error(`the server did not answer within ${timeoutMs} ms:\n${running.tail()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};
