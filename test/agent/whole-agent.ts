// Runs the whole agent in the test's process against a homeserver, with one driver that the test itself feeds.
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import * as z from "zod";
import { type Agent, MIGRATIONS, startAgent } from "#agent/agent.ts";
import { parseConfig } from "#agent/config/config.ts";
import type { Network } from "#agent/delivery/network.ts";
import type { KindLoader } from "#agent/ingest/registry.ts";
import type { Clock, Log, Runtime, Timers } from "#agent/runtime.ts";
import { openStore } from "#agent/store/open.ts";
import type { Store } from "#agent/store/store.ts";
import { type ClockProbes, ClockWatch } from "#agent/time/clock-watch.ts";
import type { DriverContext, EmitResult, Reading, WriteRequest } from "#drivers/driver.ts";

const realTimers: Timers = {
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

const ignore = (): void => undefined;

export const realClock: Clock = { wallMs: () => Date.now(), monoMs: () => performance.now() };

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export const recordingLog = (lines: LogLine[]): Log => ({
  debug: (fields, message) => lines.push({ level: "debug", fields, message }),
  info: (fields, message) => lines.push({ level: "info", fields, message }),
  warn: (fields, message) => lines.push({ level: "warn", fields, message }),
  error: (fields, message) => lines.push({ level: "error", fields, message }),
});

export interface Probe {
  emit(readings: readonly Partial<Reading>[], key?: string, maybeRepeated?: boolean): Promise<EmitResult>;
  readonly written: WriteRequest[];
}

interface ProbeState {
  context: DriverContext | null;
  readonly written: WriteRequest[];
}

const probeKind =
  (state: ProbeState): KindLoader =>
  () =>
    Promise.resolve({
      kind: "probe",
      schema: z.strictObject({}),
      create: (_name, _options, context) => {
        state.context = context;
        return {
          start: () => Promise.resolve(context.state("up")),
          stop: () => Promise.resolve(context.state("stopped")),
          write: (request) => {
            state.written.push(request);
            return Promise.resolve();
          },
        };
      },
    });

export interface TestAgentOptions {
  readonly url: string;
  readonly userId: string;
  readonly password: string;
  readonly operators?: readonly string[];
  /** The section rooms.liveness. */
  readonly liveness?: string;
  /** More of petrel.yaml. */
  readonly yaml?: string;
  /** `delivery.journal`, a mapping in YAML. */
  readonly journal?: string;
  /** The state folder; a new one by default. */
  readonly folder?: string;
  readonly clock?: Clock;
  readonly timers?: Timers;
  /** `rooms.status_every`; often by default. */
  readonly statusEvery?: string;
  readonly probes?: ClockProbes;
  readonly bootId?: string;
  /** More keys of the section `delivery`. */
  readonly delivery?: string;
  readonly network?: Network;
  /** `device.board`. */
  readonly boardName?: string;
}

export interface TestAgent {
  readonly agent: Agent;
  readonly store: Store;
  readonly probe: Probe;
  readonly folder: string;
  readonly log: readonly LogLine[];
  readonly fatal: readonly unknown[];
  /** Stops the agent and closes its store, as a clean end does. */
  stop(): Promise<void>;
}

export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-agent-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const yamlFor = ({
  boardName,
  liveness = "{}",
  operators = [],
  url,
  userId,
  delivery,
  journal = "{}",
  statusEvery = "200ms",
  yaml = "",
}: TestAgentOptions): string => `version: 1
device: { name: drone-1${boardName === undefined ? "" : `, board: ${boardName}`} }
homeserver:
  url: ${url}
  user: "${userId}"
  password: { env: PASSWORD }
rooms: { operators: ${JSON.stringify(operators)}, status_every: ${statusEvery}, liveness: ${liveness} }
drivers: { probe: { type: probe } }
delivery: { batch: { max_age: 50ms, max_count: 100 }, journal: ${journal}${delivery === undefined ? "" : `, ${delivery}`} }
${yaml.includes("encryption:") ? "" : "encryption: { enabled: false }\n"}${yaml}`;

const makeProbe = (state: ProbeState, clock: Clock): Probe => ({
  written: state.written,
  emit: (readings, key, maybeRepeated = false) => {
    if (state.context === null) throw new Error("the probe was not started");
    const whole = readings.map((reading) => ({ name: "n", value: 0, monoMs: clock.monoMs(), ...reading }));
    return state.context.emit(whole, key === undefined ? undefined : { key, maybeRepeated });
  },
});

export const startTestAgent = async (options: TestAgentOptions): Promise<TestAgent> => {
  const folder = options.folder ?? temporaryFolder();
  const lines: LogLine[] = [];
  const fatal: unknown[] = [];
  const clock = options.clock ?? realClock;
  const log = recordingLog(lines);
  const runtime: Runtime = {
    clock,
    log,
    random: (length) => randomBytes(length),
    timers: options.timers ?? realTimers,
  };
  const state: ProbeState = { context: null, written: [] };
  const config = await parseConfig("petrel.yaml", yamlFor(options), { probe: probeKind(state) });
  const store = await openStore({
    path: join(folder, "petrel.db"),
    key: new Uint8Array(32).fill(9),
    migrations: MIGRATIONS,
    runtime,
  });
  const agent = await startAgent({
    config,
    runtime,
    store,
    clock: new ClockWatch(
      clock,
      log,
      options.probes ?? { synchronised: () => true, rtc: () => false },
      Date.UTC(2026, 0, 1),
    ),
    secrets: { environment: { PASSWORD: options.password }, readFile: (path) => readFileSync(path) },
    bootId: options.bootId ?? "boot-1",
    ...(options.network === undefined ? {} : { network: options.network }),
    programs: {
      environment: { PATH: "/usr/bin:/bin" },
      killGroup: (pid, signal) => process.kill(-pid, signal),
    },
    fatal: (error) => fatal.push(error),
  });
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await agent.stop();
    await store.close();
  };
  onTestFinished(() => stop().catch(ignore));
  return { agent, store, probe: makeProbe(state, clock), folder, log: lines, fatal, stop };
};
