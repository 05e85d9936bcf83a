// The real program as a process of its own, as a person or a script calls it: arguments, input, signals in; output and exit code out.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll } from "vitest";
import type { Homeserver, TestUser } from "#test/homeserver/api.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";

const ROOT = join(import.meta.dirname, "../../..");
const POLL_MS = 20;
/** Generous: the tests share few cores with each other. */
const PATIENCE_MS = 25_000;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Petrel {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Resolves when both outputs together match; rejects with all output when the process ends before, or time is up. */
  says(pattern: RegExp): Promise<void>;
  input(text: string): void;
  signal(signal: NodeJS.Signals): void;
  /** Reads its standard output no longer. */
  closeOutput(): void;
  readonly ended: Promise<Ran>;
}

export interface Start {
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input as a whole; without it, an input that has ended. "open": the test feeds it. */
  readonly input?: string | { readonly open: true };
  readonly cwd?: string;
  /** On a terminal of its own, made by this `script` of util-linux; what it writes comes as standard output. */
  readonly terminal?: string;
}

// Undone when the file's tests are over, the last first: tests that run side by side cannot use onTestFinished.
const endings: (() => unknown)[] = [];

const atEnd = (ending: () => unknown): void => void endings.push(ending);

afterAll(async () => {
  for (const ending of endings.splice(0).reverse()) await ending();
});

// One for all tests of a file: compiled code is kept in it.
const home = mkdtempSync(join(tmpdir(), "petrel-home-"));
process.once("exit", () => rmSync(home, { recursive: true, force: true }));

const environment = (more: Readonly<Record<string, string>>): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "",
  HOME: home,
  ...more,
});

const collect = (stream: NodeJS.ReadableStream | null): (() => string) => {
  let text = "";
  stream?.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
  });
  return () => text;
};

const saying = (child: ChildProcess, output: () => string) => async (pattern: RegExp) => {
  const deadline = performance.now() + PATIENCE_MS;
  while (!pattern.test(stripVTControlCharacters(output()))) {
    const over = child.exitCode !== null || child.signalCode !== null || performance.now() > deadline;
    if (over) throw new Error(`petrel did not say ${String(pattern)}, but:\n${output()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

const commandOf = (
  [program = "", ...args]: readonly string[],
  terminal: string | undefined,
): [string, string[]] =>
  terminal === undefined
    ? [program, args]
    : [terminal, ["-qefc", `exec ${[program, ...args].map(quoted).join(" ")}`, "/dev/null"]];

/** Starts `petrel` with these arguments; ended by force when the tests are over. */
export const startPetrel = (args: readonly string[], start: Start = {}): Petrel =>
  startProgram([process.execPath, join(ROOT, "agent/main.ts"), ...args], start);

/** The same with any program. */
export const startProgram = (words: readonly string[], start: Start = {}): Petrel => {
  const [program, all] = commandOf(words, start.terminal);
  const child = spawn(program, all, {
    cwd: start.cwd ?? ROOT,
    env: environment(start.env ?? {}),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  // A program that has ended does not read its input any more.
  child.stdin.on("error", () => undefined);
  if (typeof start.input !== "object") child.stdin.end(start.input ?? "");
  const ended = new Promise<Ran>((resolve) => {
    child.once("close", (code) => resolve({ code, stdout: stdout(), stderr: stderr() }));
  });
  atEnd(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return {
    pid: child.pid ?? 0,
    stdout,
    stderr,
    says: saying(child, () => stdout() + stderr()),
    input: (text) => void child.stdin.write(text),
    signal: (signal) => void child.kill(signal),
    closeOutput: () => void child.stdout.destroy(),
    ended,
  };
};

/** On a busy machine anything may take over a second, and say so. */
const withoutProgress = (ran: Ran): Ran => ({
  ...ran,
  stderr: ran.stderr.replaceAll(/^(?:asking|logging in at) \S+ \.\.\.\n/gm, ""),
});

/** Runs `petrel` to its end. */
export const petrel = (args: readonly string[], start: Start = {}): Promise<Ran> =>
  startPetrel(args, start).ended;

export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-cli-"));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

export interface Site {
  readonly server: Homeserver;
  readonly device: TestUser;
  readonly operator: TestUser;
  readonly folder: string;
  readonly state: string;
  readonly configFile: string;
  /** Writes petrel.yaml anew; a password file lies beside it. */
  configure(options?: SiteOptions): void;
  /** Its progress is left out of standard error. */
  petrel(args: readonly string[], start?: Start): Promise<Ran>;
  start(args: readonly string[], start?: Start): Petrel;
  /** All values of telemetry in a room, as text. */
  telemetry(): string;
}

export interface SiteOptions {
  /** Default: in clear. */
  readonly encrypted?: boolean;
  readonly url?: string;
  /** The section `homeserver` without its password: somebody is to log in. */
  readonly loggedOut?: boolean;
  readonly state?: string;
  readonly rooms?: string;
  readonly drivers?: string;
  readonly more?: string;
}

export const PASSWORD = "correct horse 7fX#";

const configText = (folder: string, userId: string, defaultUrl: string, options: SiteOptions): string => {
  const password = options.loggedOut === true ? "" : `, password: { file: ${folder}/password }`;
  return `version: 1
device: { name: drone-1, state: ${options.state ?? `${folder}/state`} }
homeserver: { url: "${options.url ?? defaultUrl}", user: "${userId}"${password} }
encryption: { enabled: ${options.encrypted === true} }
rooms: ${options.rooms ?? "{ status_every: 60s }"}
drivers: ${options.drivers ?? "{ sim: { type: simulator, interval_ms: 100 } }"}
delivery: { batch: { max_age: 100ms } }
${options.more ?? ""}`;
};

/** A loopback homeserver with a device and an operator, and a configuration for the device. */
export const makeSite = async (options: SiteOptions = {}): Promise<Site> => {
  const server = await startHomeserver({ serverName: "example.org" });
  atEnd(() => server.stop());
  const device = await server.addUser("drone", { password: PASSWORD });
  const operator = await server.addUser("alice");
  const folder = temporaryFolder();
  const configFile = join(folder, "petrel.yaml");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "password"), `${PASSWORD}\n`, { mode: 0o600 });
  const configure = (wanted: SiteOptions = {}): void =>
    writeFileSync(configFile, configText(folder, device.userId, server.url, wanted));
  configure(options);
  return {
    server,
    device,
    operator,
    folder,
    state: options.state ?? join(folder, "state"),
    configFile,
    configure,
    petrel: async (args, start) => withoutProgress(await petrel(["--config", configFile, ...args], start)),
    start: (args, start) => startPetrel(["--config", configFile, ...args], start),
    telemetry: () =>
      [...server.world.rooms.keys()]
        .flatMap((roomId) => server.events(roomId))
        .filter(({ type }) => type === "dev.petrel.telemetry")
        .map(({ content }) => JSON.stringify(content))
        .join("\n"),
  };
};
