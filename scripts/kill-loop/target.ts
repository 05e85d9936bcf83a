// The homeservers of the kill loop behind one face: the loopback one, whose faults are its own, and a real Synapse, whose answers the tap loses. The rooms are
// encrypted, and matrix-js-sdk in a process of its own opens what the server holds; or they are plain.
import { parseTelemetry } from "#agent/telemetry/index.ts";
import { startSynapse } from "#scripts/synapse.ts";
import { createWitness, reusedIndexes, type Witness } from "#test/acceptance/witness.ts";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { type ClientAccount, startJsSdk } from "#test/peers/clients/client.ts";
import { call, isObject, type JsonObject, text } from "#test/peers/http.ts";
import type { Trouble } from "./plan.ts";
import type { FoundEvent } from "./verdict.ts";

export interface Target {
  readonly name: string;
  readonly port: number;
  readonly device: ClientAccount;
  readonly encrypted: boolean;
  readonly dataRoom: string;
  readonly peopleRoom: string;
  /** Every telemetry event that the server holds, in the order of the room. */
  found(): Promise<FoundEvent[]>;
  /** What is wrong with how they were encrypted: in clear, or under an index that stands for something else too. */
  leaks(): Promise<string[]>;
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
  addUser(name: string, options: { readonly liftLimits: boolean }): Promise<ClientAccount>;
}

type Prepared = Omit<Target, "name" | "trouble" | "restart" | "troubled">;

const encryption = {
  type: "m.room.encryption",
  state_key: "",
  content: { algorithm: "m.megolm.v1.aes-sha2" },
};

/** A room of the device's account, made beforehand so that the loop begins with telemetry; the reader, where there is one, sits in it. */
const makeRoom = async (
  { url }: Accounts,
  device: ClientAccount,
  reader: ClientAccount | null,
): Promise<string> => {
  const body = {
    preset: "private_chat",
    invite: reader === null ? [] : [reader.userId],
    initial_state: reader === null ? [] : [encryption],
  };
  const { accessToken: token } = device;
  const made = await call(url, "POST", "/_matrix/client/v3/createRoom", { token, body });
  if (made.status !== 200) throw new Error(`createRoom: ${made.text}`);
  const roomId = text(made.json, "room_id");
  if (reader !== null) {
    const path = `/_matrix/client/v3/join/${encodeURIComponent(roomId)}`;
    const joined = await call(url, "POST", path, { token: reader.accessToken, body: {} });
    if (joined.status !== 200) throw new Error(`join: ${joined.text}`);
  }
  return roomId;
};

const foundIn = async (witness: Witness, roomId: string): Promise<FoundEvent[]> =>
  (await witness.read(roomId))
    .filter(({ content, type }) => type === TELEMETRY && isObject(content))
    .map(({ content, event_id }) => foundOf(event_id, content));

const leaksIn = async (witness: Witness, roomId: string, sender: string): Promise<string[]> => {
  const events = await witness.read(roomId);
  const clear = events.filter(({ wire }) => wire.type.startsWith("dev.petrel.")).length;
  return [
    ...(clear > 0 ? [`${clear} events went in clear into an encrypted room`] : []),
    ...reusedIndexes(events, sender).map(
      (name) => `an index of a ratchet stands for two plaintexts: ${name}`,
    ),
  ];
};

const prepare = async (server: Accounts, encrypted: boolean, end: () => Promise<void>): Promise<Prepared> => {
  const device = await server.addUser("drone", { liftLimits: true });
  const account = await server.addUser("reader", { liftLimits: true });
  const reader = encrypted ? await startJsSdk(server.url, account) : null;
  const dataRoom = await makeRoom(server, device, reader === null ? null : account);
  const witness = createWitness(server.url, device.accessToken, reader);
  return {
    port: Number(new URL(server.url).port),
    device,
    encrypted,
    dataRoom,
    peopleRoom: await makeRoom(server, device, reader === null ? null : account),
    found: () => foundIn(witness, dataRoom),
    leaks: () => (encrypted ? leaksIn(witness, dataRoom, device.userId) : Promise.resolve([])),
    dispose: async () => {
      await reader?.close();
      await end();
    },
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

const inWords = (encrypted: boolean): string => (encrypted ? "encrypted rooms" : "plain rooms");

/** `dendrite`: the profile that forgets transaction IDs whenever it restarts. */
export const loopbackTarget = async (encrypted: boolean): Promise<Target> => {
  const server = await startHomeserver({ profile: "dendrite" });
  return {
    name: `loopback (dendrite profile), ${inWords(encrypted)}`,
    ...(await prepare(server, encrypted, () => server.stop())),
    trouble: (trouble) => troubleLoopback(server, trouble),
    restart: () => server.restart(),
    troubled: () => server.requests().filter(({ fault }) => fault !== null).length,
  };
};

export const synapseTarget = async (
  encrypted: boolean,
  progress: (line: string) => void,
): Promise<Target> => {
  const server = await startSynapse({ liftLimits: true, progress });
  return {
    name: `Synapse, ${inWords(encrypted)}`,
    ...(await prepare(server, encrypted, () => server.stop())),
    trouble: ({ kind }) => kind === "none",
    restart: () => Promise.resolve(),
    troubled: () => 0,
  };
};
