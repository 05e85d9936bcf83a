// A site for the benches of `delivery`: the agent (what ships), a loopback homeserver, and a source that sends 100-byte SenML JSON readings by UDP, on time.
import { createSocket } from "node:dgram";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { call, text } from "#test/peers/http.ts";
import { BUNDLE_FOLDER, type Contestant, startProcess, until } from "../main/stage.ts";
import { trace } from "./trace.ts";

const CACHE = fileURLToPath(new URL("../../../.cache/bench/", import.meta.url));
const TURN_MS = 100;

export const READING_BYTES = 100;
export const PER_SECOND = 80;
export const SEED = 20_261_124;

/** A SenML record (RFC 8428) of exactly 100 bytes, its newline included. */
const lineOf = (name: string, unit: string | undefined, value: unknown, timeMs: number): string =>
  `${JSON.stringify({ n: name, u: unit, t: timeMs / 1000, v: value }).padEnd(READING_BYTES - 1)}\n`;

export interface Source {
  readonly sent: () => number;
  /** One more reading, outside of the trace. */
  readonly send: (name: string, value: number) => void;
  readonly stop: () => void;
}

const startSource = (port: number): Source => {
  const socket = createSocket("udp4");
  const readings = trace(SEED, 7200);
  const began = performance.now();
  let sent = 0;
  const tick = (): void => {
    const due = Math.floor(((performance.now() - began) / 1000) * PER_SECOND);
    for (; sent < due; sent += 1) {
      const step: IteratorResult<StampedReading, unknown> = readings.next();
      if (step.done === true) return;
      const { name, timeMs, unit, value } = step.value;
      socket.send(lineOf(name, unit, value, timeMs), port, "127.0.0.1");
    }
  };
  const timer = setInterval(tick, TURN_MS);
  return {
    sent: () => sent,
    send: (name, value) => socket.send(lineOf(name, undefined, value, 1_764_000_000_000), port, "127.0.0.1"),
    stop: () => {
      clearInterval(timer);
      socket.close();
    },
  };
};

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });

export interface SiteOptions {
  /** The sections `delivery` and `channels`, as YAML. */
  readonly config: string;
  readonly rateLimits?: "off" | "default";
  /** What runs: the bundle unless told. */
  readonly program?: string | undefined;
}

export interface Site {
  readonly server: Homeserver;
  readonly folder: string;
  readonly data: string;
  /** Resolves when it has said that it is there. */
  start(): Promise<Contestant>;
  source(): Source;
  dispose(): Promise<void>;
}

export const openSite = async ({ config, program, rateLimits = "off" }: SiteOptions): Promise<Site> => {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "site-"));
  const server = await startHomeserver({ profile: "synapse", rateLimits, limitLogins: false });
  const user = await server.addUser("drone");
  const room = async (): Promise<string> => {
    const body = { preset: "private_chat" };
    const made = await call(server.url, "POST", "/_matrix/client/v3/createRoom", {
      token: user.accessToken,
      body,
    });
    return text(made.json, "room_id");
  };
  const [data, people, port] = [await room(), await room(), await freePort()];
  const file = join(folder, "petrel.yaml");
  writeFileSync(
    file,
    `version: 1
device: { name: bench, state: ${folder}/state }
homeserver: { url: "${server.url}", user: "${user.userId}", password: { env: BENCH_PASSWORD } }
encryption: { enabled: false }
rooms: { data: { room: "${data}" }, people: { room: "${people}" }, status_every: 1h }
drivers:
  udp: { type: udp, port: ${port}, framing: { type: json-lines }, readings: [{ name: "{n}", from: v }] }
log: { level: warn, format: json }
${config}
`,
  );
  const births = (): number => server.events(data).filter(({ type }) => type === "dev.petrel.status").length;
  return {
    server,
    folder,
    data,
    start: async () => {
      const before = births();
      const args = [program ?? join(BUNDLE_FOLDER, "petrel.mjs"), "--config", file, "run"];
      const agent = startProcess(args, { BENCH_PASSWORD: user.password });
      await until("the agent's birth", () => births() > before, 180);
      return agent;
    },
    source: () => startSource(port),
    dispose: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
