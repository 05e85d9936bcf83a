// What the acceptance tests share: a real homeserver, the agent as a process of its own, and an operator. The rooms are encrypted, and the operator is a
// matrix-js-sdk client in another process, which says and reads; with `plain: true` they are not, and the operator is plain HTTP.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { parseTelemetry, type ReceivedReading, type ReceivedTelemetry } from "#agent/telemetry/index.ts";
import { type Running, startChild } from "#scripts/servers/child.ts";
import type { RealServer, ServerUser } from "#scripts/servers/types.ts";
import { type PersonClient, startJsSdk } from "#test/peers/clients/client.ts";
import { call, type Json, type JsonObject, list, text } from "#test/peers/http.ts";
import { bodyOf, createWitness, type Witness } from "./witness.ts";

const CLIENT = "/_matrix/client/v3";
const ROOT = join(import.meta.dirname, "../..");
const POLL_MS = 50;

/** Asks until it is true. */
export const eventually = async (
  what: string,
  condition: () => boolean | Promise<boolean>,
  seconds = 60,
): Promise<void> => {
  const deadline = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};

export interface Rooms {
  readonly data: string;
  readonly people: string;
}

export interface Site {
  readonly server: RealServer;
  readonly device: ServerUser;
  readonly operator: ServerUser;
  /** The operator's client; null where the rooms are plain. */
  readonly client: PersonClient | null;
  /** What is in the rooms, as the operator can read it. */
  readonly witness: Witness;
  readonly rooms: Rooms;
  /** petrel.yaml, for the verbs. */
  readonly configFile: string;
  /** Starts `petrel run`; the state folder stays between starts. */
  start(environment?: Readonly<Record<string, string>>): Running;
  /** A verb, as a person calls it; `input`: what is typed. Rejects unless it ends with 0. */
  petrel(words: readonly string[], input?: string): Promise<string>;
  /** A verb that does not end by itself, until it has said this. */
  petrelUntil(words: readonly string[], said: RegExp): Promise<string>;
  /** All telemetry of the data room, in the order of the room. */
  telemetry(): Promise<ReceivedTelemetry[]>;
  /** Its readings. */
  readings(): Promise<ReceivedReading[]>;
  say(user: ServerUser, body: string): Promise<string>;
  /** How many delayed events of the device wait at the server. */
  scheduled(): Promise<number>;
  /** Bodies of the device's replies to an event. */
  repliesTo(eventId: string): Promise<string[]>;
}

export interface SiteOptions {
  readonly server: RealServer;
  /** What follows in petrel.yaml: drivers, commands, ... */
  readonly yaml: string;
  /** Rooms that are not encrypted. */
  readonly plain?: boolean;
  /** The section rooms.liveness. */
  readonly liveness?: string;
  readonly extraUsers?: readonly ServerUser[];
  /** The device's account; default: a new one. */
  readonly device?: ServerUser;
  /** Beside the algorithm in m.room.encryption. */
  readonly encryption?: JsonObject;
  /** Takes what is to be done at the end; default: the end of the test. */
  readonly atEnd?: (work: () => unknown) => void;
}

/** A room made beforehand, as a site with an existing space would have it; its maker is the operator. */
const makeRoom = async (
  server: RealServer,
  operator: ServerUser,
  device: ServerUser,
  others: readonly ServerUser[],
  { plain = false, encryption = {} }: SiteOptions,
): Promise<string> => {
  const setting = {
    type: "m.room.encryption",
    state_key: "",
    content: { algorithm: "m.megolm.v1.aes-sha2", ...encryption },
  };
  const body = {
    preset: "private_chat",
    invite: [device.userId, ...others.map(({ userId }) => userId)],
    initial_state: plain ? [] : [setting],
  };
  const {
    json,
    status,
    text: answer,
  } = await call(server.url, "POST", `${CLIENT}/createRoom`, { token: operator.accessToken, body });
  if (status !== 200) throw new Error(`createRoom: ${answer}`);
  const roomId = text(json, "room_id");
  for (const { accessToken: token } of others)
    await call(server.url, "POST", `${CLIENT}/join/${encodeURIComponent(roomId)}`, { token, body: {} });
  return roomId;
};

const yamlFor = (
  folder: string,
  url: string,
  device: ServerUser,
  rooms: Rooms,
  { yaml, liveness = "{}", plain = false }: SiteOptions,
): string => `version: 1
device: { name: site-1, state: ${folder}/state }
homeserver: { url: "${url}", user: "${device.userId}", password: { file: ${folder}/password } }
rooms: { data: { room: "${rooms.data}" }, people: { room: "${rooms.people}" }, status_every: 60s, liveness: ${liveness} }
${plain ? "encryption: { enabled: false }\n" : ""}${yaml}`;

/** The event that a reply answers. */
export const relatesTo = (event: { readonly content: Json }): string =>
  text(event.content, "m.relates_to", "m.in_reply_to", "event_id");

let sent = 0;

const say = async (server: RealServer, roomId: string, user: ServerUser, body: string): Promise<string> => {
  sent += 1;
  const path = `${CLIENT}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/test-${process.pid}-${sent}`;
  const answer = await call(server.url, "PUT", path, {
    token: user.accessToken,
    body: { msgtype: "m.text", body },
  });
  if (answer.status !== 200) throw new Error(`send: ${answer.text}`);
  return text(answer.json, "event_id");
};

const argsOf = (configFile: string, words: readonly string[]): string[] => [
  join(ROOT, "agent/main.ts"),
  "--config",
  configFile,
  ...words,
];

const verb = (configFile: string, words: readonly string[], input: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      argsOf(configFile, words),
      { timeout: 60_000 },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`petrel ${words.join(" ")}: ${stderr || error.message}`));
      },
    );
    child.stdin?.end(input);
  });

const verbUntil = (configFile: string, words: readonly string[], said: RegExp): Promise<string> =>
  new Promise((resolve, reject) => {
    let output = "";
    const child = execFile(process.execPath, argsOf(configFile, words), { timeout: 60_000 });
    child.stdout?.on("data", (text: string) => {
      output += text;
      if (said.test(output)) child.kill("SIGTERM");
    });
    child.once("close", () => {
      if (said.test(output)) resolve(output);
      else reject(new Error(`petrel ${words.join(" ")}: expected ${said.source}, found:\n${output}`));
    });
  });

/** The files of an installation. */
const install = (
  { device, server }: { readonly device: ServerUser; readonly server: RealServer },
  rooms: Rooms,
  options: SiteOptions,
): { readonly folder: string; readonly configFile: string } => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-site-"));
  const configFile = join(folder, "petrel.yaml");
  writeFileSync(join(folder, "password"), device.password, { mode: 0o600 });
  writeFileSync(configFile, yamlFor(folder, server.url, device, rooms, options));
  return { folder, configFile };
};

export const makeSite = async (options: SiteOptions): Promise<Site> => {
  const { server, extraUsers = [], plain = false, atEnd = onTestFinished } = options;
  const device = options.device ?? (await server.addUser(`drone${++sent}`, { liftLimits: true }));
  const operator = await server.addUser(`alice${++sent}`, { liftLimits: true });
  // Before there are rooms: whoever gets a key is asked for when one is made.
  const client = plain ? null : await startJsSdk(server.url, operator);
  atEnd(() => client?.close());
  const rooms: Rooms = {
    data: await makeRoom(server, operator, device, [], options),
    people: await makeRoom(server, operator, device, extraUsers, options),
  };
  const { configFile, folder } = install({ device, server }, rooms, options);
  const witness = createWitness(server.url, operator.accessToken, client);
  const telemetry = async (): Promise<ReceivedTelemetry[]> =>
    (await witness.read(rooms.data))
      .filter(({ type }) => type === "dev.petrel.telemetry")
      .map(({ content }) => parseTelemetry(content));
  const running: Running[] = [];
  atEnd(async () => {
    await Promise.all(running.map((agent) => agent.kill()));
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    server,
    device,
    operator,
    client,
    witness,
    rooms,
    configFile,
    start: (environment = {}) => {
      const agent = startChild(process.execPath, argsOf(configFile, ["run"]), ROOT, environment);
      running.push(agent);
      return agent;
    },
    petrel: (words, input = "") => verb(configFile, words, input),
    petrelUntil: (words, said) => verbUntil(configFile, words, said),
    telemetry,
    readings: async () => (await telemetry()).flatMap(({ readings }) => [...readings]),
    say: (user, body) =>
      user === operator && client !== null
        ? client.send(rooms.people, "m.room.message", { msgtype: "m.text", body })
        : say(server, rooms.people, user, body),
    scheduled: async () => {
      const path = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events";
      const { json } = await call(server.url, "GET", path, { token: device.accessToken });
      return [...list(json, "delayed_events"), ...list(json, "scheduled")].length;
    },
    repliesTo: async (eventId) =>
      (await witness.read(rooms.people))
        .filter((event) => event.sender === device.userId && relatesTo(event) === eventId)
        .map(bodyOf),
  };
};

/** What the device sent into its rooms as the server has it: types of events, state left out. */
export const wireTypes = async ({ device, rooms, witness }: Site): Promise<string[]> => {
  const events = [...(await witness.read(rooms.data)), ...(await witness.read(rooms.people))];
  return [
    ...new Set(
      events
        .filter((event) => event.sender === device.userId && event.state_key === undefined)
        .map(({ wire }) => wire.type),
    ),
  ];
};

/** The device has said that it is there. */
export const online = ({ rooms, witness }: Site): Promise<void> =>
  eventually("the device's first status message", async () =>
    (await witness.read(rooms.people)).some((event) => bodyOf(event).includes("site-1: online")),
  );
