// What the acceptance tests share: a real Synapse, the agent as a process of its own, an operator that is plain HTTP.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { parseTelemetry, type ReceivedReading, type ReceivedTelemetry } from "#agent/telemetry/index.ts";
import { type Running, startChild } from "#scripts/servers/child.ts";
import type { RealServer, ServerUser } from "#scripts/servers/types.ts";
import { call, type Json, list, readRoom, readType, text } from "#test/peers/http.ts";

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
  readonly rooms: Rooms;
  /** Starts `petrel run`; the state folder stays between starts. */
  start(environment?: Readonly<Record<string, string>>): Running;
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
  readonly valid_for?: string;
  /** The section rooms.liveness. */
  readonly liveness?: string;
  readonly extraUsers?: readonly ServerUser[];
}

/** A room made beforehand, as a site with an existing space would have it; its maker is the operator. */
const makeRoom = async (
  server: RealServer,
  operator: ServerUser,
  device: ServerUser,
  others: readonly ServerUser[],
): Promise<string> => {
  const body = { preset: "private_chat", invite: [device.userId, ...others.map(({ userId }) => userId)] };
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
  yaml: string,
  liveness: string,
): string => `version: 1
device: { name: site-1, state: ${folder}/state }
homeserver: { url: "${url}", user: "${device.userId}", password: { file: ${folder}/password } }
rooms: { data: { room: "${rooms.data}" }, people: { room: "${rooms.people}" }, status_every: 60s, liveness: ${liveness} }
${yaml.includes("encryption:") ? "" : "encryption: { enabled: false }\n"}${yaml}`;

const relatesTo = (event: { readonly content: Json }): string =>
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

export const makeSite = async (options: SiteOptions): Promise<Site> => {
  const { server, extraUsers = [] } = options;
  const device = await server.addUser(`drone${++sent}`, { liftLimits: true });
  const operator = await server.addUser(`alice${++sent}`, { liftLimits: true });
  const rooms: Rooms = {
    data: await makeRoom(server, operator, device, []),
    people: await makeRoom(server, operator, device, extraUsers),
  };
  const folder = mkdtempSync(join(tmpdir(), "petrel-site-"));
  const configFile = join(folder, "petrel.yaml");
  writeFileSync(join(folder, "password"), device.password, { mode: 0o600 });
  writeFileSync(
    configFile,
    yamlFor(folder, server.url, device, rooms, options.yaml, options.liveness ?? "{}"),
  );
  const telemetry = async (): Promise<ReceivedTelemetry[]> => {
    const events = await readType(server.url, operator.accessToken, rooms.data, "dev.petrel.telemetry");
    return events.map(({ content }) => parseTelemetry(content));
  };
  const running: Running[] = [];
  onTestFinished(async () => {
    await Promise.all(running.map((agent) => agent.kill()));
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    server,
    device,
    operator,
    rooms,
    start: (environment = {}) => {
      const agent = startChild(
        process.execPath,
        [join(ROOT, "agent/main.ts"), "--config", configFile, "run"],
        ROOT,
        environment,
      );
      running.push(agent);
      return agent;
    },
    telemetry,
    readings: async () => (await telemetry()).flatMap(({ readings }) => [...readings]),
    say: (user, body) => say(server, rooms.people, user, body),
    scheduled: async () => {
      const path = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events";
      const { json } = await call(server.url, "GET", path, { token: device.accessToken });
      return [...list(json, "delayed_events"), ...list(json, "scheduled")].length;
    },
    repliesTo: async (eventId) => {
      const events = await readRoom(server.url, operator.accessToken, rooms.people);
      return events
        .filter((event) => event.sender === device.userId && relatesTo(event) === eventId)
        .map(({ content }) => text(content, "body"));
    },
  };
};

/** The device has said that it is there. */
export const online = ({ operator, rooms, server }: Site): Promise<void> =>
  eventually("the device's first status message", async () => {
    const events = await readRoom(server.url, operator.accessToken, rooms.people);
    return events.some(({ content }) => text(content, "body").includes("site-1: online"));
  });
