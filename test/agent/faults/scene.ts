// The scenario of the fault loops: the whole agent on the loopback homeserver, readings from a source that gives again what was not acknowledged, one
// command, one status message. After the fault the agent is started anew, if need be, from a copy of the store's files as they lie there at that moment.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import * as z from "zod";
import { type Agent, MIGRATIONS, startAgent } from "#agent/agent.ts";
import { parseConfig } from "#agent/config/config.ts";
import type { Lane } from "#agent/delivery/lanes.ts";
import { waitingIn } from "#agent/delivery/outbox.ts";
import { openStore } from "#agent/store/open.ts";
import type { Store } from "#agent/store/store.ts";
import { parseTelemetry } from "#agent/telemetry/index.ts";
import { ClockWatch } from "#agent/time/clock-watch.ts";
import type { DriverContext } from "#drivers/driver.ts";
import type { Homeserver, TestUser } from "#test/homeserver/homeserver.ts";
import { fastRuntime } from "../delivery/support.ts";
import type { LogLine } from "../whole-agent.ts";
import { type FaultyStore, faultyStore, type StoreFault } from "./faulty-store.ts";

export const READINGS = 12;
/** A second of back-off takes this many times less. */
const FACTOR = 40;

export interface Scene {
  readonly server: Homeserver;
  readonly device: TestUser;
  readonly operator: TestUser;
  readonly root: string;
  /** What the driver was asked to do by commands. */
  readonly written: string[];
  /** Numbers that the source has and the agent has not acknowledged, oldest first. */
  readonly unacknowledged: number[];
  readonly acknowledged: Set<number>;
  commandId: string | null;
  /** Its rooms are encrypted. */
  readonly encrypted: boolean;
}

let users = 0;

/** A device of its own on the server, with an empty state folder. */
export const openScene = async (server: Homeserver, encrypted = false): Promise<Scene> => {
  users += 1;
  return {
    server,
    device: await server.addUser(`drone${users}`),
    operator: await server.addUser(`alice${users}`),
    root: mkdtempSync(join(tmpdir(), "petrel-faults-")),
    written: [],
    unacknowledged: Array.from({ length: READINGS }, (_, index) => index),
    acknowledged: new Set(),
    commandId: null,
    encrypted,
  };
};

export const closeScene = ({ root }: Scene): void => rmSync(root, { recursive: true, force: true });

export interface Life {
  readonly agent: Agent;
  readonly faulty: FaultyStore;
  readonly lines: LogLine[];
  readonly fatal: unknown[];
  readonly context: () => DriverContext | null;
  readonly folder: string;
  readonly real: Store;
}

const yamlFor = ({ device, encrypted, operator, server }: Scene): string => `version: 1
device: { name: ${device.userId.slice(1, device.userId.indexOf(":"))} }
homeserver: { url: "${server.url}", user: "${device.userId}", password: { env: PASSWORD } }
encryption: { enabled: ${encrypted} }
rooms: { operators: ["${operator.userId}"], status_every: 20s }
drivers: { probe: { type: probe } }
delivery: { batch: { max_age: 2s, max_count: 4 } }
commands: { valid_for: 1h, list: { relay: { args: { state: {} }, write: { driver: probe, target: relay, payload: "{state}" } } } }
`;

/** Starts the agent over the store in `folder`, which fails as told. Null when the fault came before it stood. */
export const begin = async (
  scene: Scene,
  folder: string,
  fault: StoreFault | null,
  nth: number,
): Promise<Life | null> => {
  const lines: LogLine[] = [];
  const fatal: unknown[] = [];
  const runtime = fastRuntime(FACTOR, lines);
  let context: DriverContext | null = null;
  const config = await parseConfig("petrel.yaml", yamlFor(scene), {
    probe: () =>
      Promise.resolve({
        kind: "probe",
        schema: z.strictObject({}),
        create: (_name, _options, made) => {
          context = made;
          return {
            start: () => Promise.resolve(made.state("up")),
            stop: () => Promise.resolve(),
            write: ({ payload }) => {
              scene.written.push(new TextDecoder().decode(payload));
              return Promise.resolve();
            },
          };
        },
      }),
  });
  const real = await openStore({
    path: join(folder, "petrel.db"),
    key: new Uint8Array(32).fill(9),
    migrations: MIGRATIONS,
    runtime: fastRuntime(1),
  });
  const faulty = faultyStore(real, fault, nth);
  const probes = { synchronised: () => true, rtc: () => false };
  try {
    const agent = await startAgent({
      config,
      runtime,
      store: faulty.store,
      clock: new ClockWatch(runtime.clock, runtime.log, probes, Date.UTC(2026, 0, 1)),
      secrets: { environment: { PASSWORD: scene.device.password }, readFile: (path) => readFileSync(path) },
      bootId: "boot-1",
      programs: { environment: {}, killGroup: () => undefined },
      fatal: (error) => fatal.push(error),
    });
    return { agent, faulty, lines, fatal, context: () => context, folder, real };
  } catch (error) {
    expect(faulty.hit(), String(error)).toBe(true);
    await real.close().catch(() => undefined);
    return null;
  }
};

const copies = (scene: Scene): string => {
  const folder = mkdtempSync(join(scene.root, "life-"));
  mkdirSync(folder, { recursive: true });
  return folder;
};

/** The files as they are: what a process that died leaves behind. */
export const remains = (scene: Scene, folder: string): string => {
  const next = copies(scene);
  for (const name of ["petrel.db", "petrel.db-wal"])
    if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(next, name));
  return next;
};

export const firstFolder = (scene: Scene): string => copies(scene);

/** The process is gone: the store is left as it is (copied before), everything of this process is put away. */
export const putAway = async (life: Life): Promise<void> => {
  await life.agent.stop();
  await life.real.close().catch(() => undefined);
};

/** The source: gives each number until it is acknowledged, as one that may be a repetition from the second time on. */
export const feed = async (scene: Scene, life: Life, again: boolean): Promise<void> => {
  const context = life.context();
  if (context === null) return;
  for (const value of [...scene.unacknowledged]) {
    const reading = { name: "n", value, monoMs: context.clock.monoMs() };
    const outcome = await context
      .emit([reading], { key: `k${value}`, maybeRepeated: again })
      .then(({ outcome }) => outcome)
      .catch(() => "failed");
    if (outcome !== "durable" && outcome !== "repeated") return;
    scene.unacknowledged.shift();
    scene.acknowledged.add(value);
  }
};

const readingsIn = (scene: Scene, roomId: string) =>
  scene.server
    .events(roomId)
    .filter(({ type }) => type === "dev.petrel.telemetry")
    .map(({ content }) => parseTelemetry(content))
    .flatMap(({ lost, readings, stream }) =>
      readings.map(({ seq, value }) => ({ stream, seq, value, lost })),
    );

const ours = (scene: Scene, roomId: string) =>
  scene.server
    .events(roomId)
    .filter(({ sender, type }) => type === "m.room.message" && sender === scene.device.userId);

const isReply = (content: object): boolean => JSON.stringify(content).includes("m.in_reply_to");

/** Everything that shall come has come. */
export const isComplete = (scene: Scene, life: Life): boolean => {
  const rooms = life.agent.upstream.rooms();
  if (rooms === null || scene.unacknowledged.length > 0) return false;
  const [data, people] = [rooms.data.roomId, rooms.people.roomId];
  const waiting = (lane: Lane): number => life.real.read((database) => waitingIn(database, lane));
  return (
    waiting("bulk") === 0 &&
    waiting("reply") === 0 &&
    readingsIn(scene, data).length >= READINGS &&
    ours(scene, people).some(({ content }) => isReply(content)) &&
    ours(scene, people).some(({ content }) => !isReply(content))
  );
};

/** The operator asks once, when there is a room to ask in and the agent listens. */
export const ask = (scene: Scene, life: Life): void => {
  const rooms = life.agent.upstream.rooms();
  const filtered = { path: /\/sync/, status: 200 };
  if (scene.commandId !== null || rooms === null || scene.server.countRequests(filtered) === 0) return;
  scene.commandId = scene.server.inject({
    roomId: rooms.people.roomId,
    sender: scene.operator.userId,
    type: "m.room.message",
    content: { msgtype: "m.text", body: "!petrel relay on" },
  }).eventId;
};

/** What must hold, whatever failed when. */
export const check = (scene: Scene, life: Life, context: string): void => {
  const rooms = life.agent.upstream.rooms();
  const readings = readingsIn(scene, rooms?.data.roomId ?? "");
  const numbers = readings.map(({ seq, stream }) => `${stream} ${seq}`);
  expect(new Set(numbers).size, `${context}: a reading twice`).toBe(numbers.length);
  const seqs = readings.map(({ seq }) => seq);
  expect(seqs, `${context}: order within the stream`).toEqual(seqs.toSorted((a, b) => a - b));
  expect(new Set(readings.map(({ stream }) => stream)).size, `${context}: one boot, one stream`).toBe(1);
  const values = readings.map(({ value }) => value);
  expect(new Set(values), `${context}: every reading`).toEqual(new Set(scene.acknowledged));
  expect(values.length, `${context}: each value once, since the source names its deliveries`).toBe(READINGS);
  expect(
    readings.every(({ lost }) => lost.length === 0),
    `${context}: no number is missing`,
  ).toBe(true);
  const messages = ours(scene, rooms?.people.roomId ?? "");
  expect(messages.filter(({ content }) => isReply(content)).length, `${context}: one answer`).toBe(1);
  const first = messages.filter(({ content }) => !isReply(content) && content["m.relates_to"] === undefined);
  expect(first.length, `${context}: one status message`).toBe(1);
  expect(scene.written.length, `${context}: the command was run at most once`).toBeLessThanOrEqual(1);
  const answer = String(messages.find(({ content }) => isReply(content))?.content["body"]);
  if (scene.written.length === 0) expect(answer, context).toContain("interrupted");
};
