// The homeservers of the kill loop behind one face: the loopback one, whose faults are its own, and a real Synapse, whose answers the tap loses.
import { parseTelemetry } from "#agent/telemetry/index.ts";
import { startSynapse } from "#scripts/synapse.ts";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { call, isObject, type JsonObject, readRoom, text } from "#test/peers/http.ts";
import type { Trouble } from "./plan.ts";
import type { FoundEvent } from "./verdict.ts";

interface Account {
  readonly userId: string;
  readonly accessToken: string;
  readonly password: string;
}

export interface Target {
  readonly name: string;
  readonly port: number;
  readonly device: Account;
  readonly dataRoom: string;
  readonly peopleRoom: string;
  /** Every telemetry event that the server holds, in the order of the room. */
  found(): Promise<FoundEvent[]>;
  /** Makes this trouble from now on; false when this server cannot. What was made before is over. */
  trouble(trouble: Trouble): boolean;
  /** Off and on again; does nothing where that would take seconds. */
  restart(): Promise<void>;
  /** How many requests met one of its faults. */
  troubled(): number;
  dispose(): Promise<void>;
}

export const SENDS: RegExp = /^PUT \S*\/send\//;

const foundOf = (eventId: string, content: JsonObject): FoundEvent => {
  const { lost, readings, stream } = parseTelemetry(content);
  return {
    eventId,
    lost: lost.reduce((sum, { count }) => sum + count, 0),
    readings: readings.map(({ seq, value }) => ({ stream, seq, number: Number(value) })),
  };
};

const TELEMETRY = "dev.petrel.telemetry";

interface Accounts {
  readonly url: string;
  addUser(name: string, options: { readonly liftLimits: boolean }): Promise<Account>;
}

/** Two rooms made by the device's account beforehand, so that the loop begins with telemetry. */
const prepare = async (
  server: Accounts,
): Promise<Pick<Target, "port" | "device" | "dataRoom" | "peopleRoom">> => {
  const device = await server.addUser("drone", { liftLimits: true });
  const room = async (): Promise<string> => {
    const body = { preset: "private_chat" };
    const answer = await call(server.url, "POST", "/_matrix/client/v3/createRoom", {
      token: device.accessToken,
      body,
    });
    if (answer.status !== 200) throw new Error(`createRoom: ${answer.text}`);
    return text(answer.json, "room_id");
  };
  return {
    port: Number(new URL(server.url).port),
    device,
    dataRoom: await room(),
    peopleRoom: await room(),
  };
};

/** Sends, and the looks for what became of them. */
const HIT = { path: /\/(send|messages|context|event)\b/ };

const troubleLoopback = (server: Homeserver, trouble: Trouble): boolean => {
  server.clearFaults();
  const { kind } = trouble;
  if (kind === "answers-lost")
    server.fault({ kind: "answer-lost", match: { method: "PUT", path: /\/send\// }, times: trouble.times });
  if (kind === "fault")
    server.fault({ ...trouble.fault, match: HIT, times: trouble.times, skip: trouble.skip });
  return true;
};

/** `dendrite`: the profile that forgets transaction IDs whenever it restarts. */
export const loopbackTarget = async (): Promise<Target> => {
  const server = await startHomeserver({ profile: "dendrite" });
  const prepared = await prepare(server);
  return {
    name: "loopback (dendrite profile)",
    ...prepared,
    found: () =>
      Promise.resolve(
        server
          .events(prepared.dataRoom)
          .filter(({ type }) => type === TELEMETRY)
          .map(({ content, eventId }) => foundOf(eventId, content as JsonObject)), // what came over HTTP is JSON
      ),
    trouble: (trouble) => troubleLoopback(server, trouble),
    restart: () => server.restart(),
    troubled: () => server.requests().filter(({ fault }) => fault !== null).length,
    dispose: () => server.stop(),
  };
};

export const synapseTarget = async (progress: (line: string) => void): Promise<Target> => {
  const server = await startSynapse({ liftLimits: true, progress });
  const prepared = await prepare(server);
  const { dataRoom, device } = prepared;
  return {
    name: "Synapse",
    ...prepared,
    found: async () => {
      const events = await readRoom(server.url, device.accessToken, dataRoom);
      return events
        .filter(({ content, type }) => type === TELEMETRY && isObject(content))
        .map(({ content, event_id }) => foundOf(event_id, content));
    },
    trouble: ({ kind }) => kind === "none",
    restart: () => Promise.resolve(),
    troubled: () => 0,
    dispose: () => server.stop(),
  };
};
