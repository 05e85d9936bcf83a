// What both machines do in the bench, each in its own way: the requests of one are answered out of the data set.
import type { JsonObject } from "#crypto/shape.ts";
import { makePerson, type Person } from "#test/crypto/machine/support/people.ts";
import { answerClaim, answerQuery, type Population } from "./data.ts";

export const USER = "@us:example.org";
export const DEVICE = "US";
export const ROTATION_MESSAGES = 10_000;

export interface Contestant {
  readonly name: string;
  /** A new machine, its keys uploaded, its identity made, verified and signed. */
  begin(): Promise<Machine>;
}

/** Times in ms are of the machine's own work, the reading and writing of JSON included; the data set's answers are made outside of it. */
export interface Machine {
  /** Follows these users and takes the answers about them. */
  query(population: Population): Promise<number>;
  /** Begins sessions with their devices. */
  claim(population: Population): Promise<number>;
  /** Gives all of them the room's key; every request is answered. */
  share(roomId: string, population: Population): Promise<number>;
  /** To-device events. */
  receive(events: readonly JsonObject[]): Promise<number>;
  encrypt(roomId: string, type: string, content: JsonObject): Promise<JsonObject>;
  decrypt(roomId: string, event: JsonObject): Promise<JsonObject>;
  /** Room keys out of a key file's JSON. */
  importKeys(text: string): Promise<number>;
  /** What a sender claims from us, and what it sees of us. */
  readonly server: OwnServer;
  close(): Promise<void>;
}

/** What the server knows of the contestant itself. */
export interface OwnServer {
  readonly person: Person;
  readonly oneTimeKeys: Map<string, unknown>;
  /** The answer to a request of any kind, as text. */
  answer(kind: string, body: JsonObject, population: Population): string;
}

export const EMPTY: Population = { people: new Map(), userIds: [], devices: 0, oneTimeKeys: new Map() };

const objectIn = (body: JsonObject, name: string): JsonObject | undefined => {
  const value = body[name];
  return typeof value === "object" && value !== null ? (value as JsonObject) : undefined;
};

/** What crypto-wasm shows as signatures of our own device, and ours too: by user, then by device or key. */
const signedDevice = (body: JsonObject): JsonObject | undefined => {
  const own = objectIn(body, USER);
  return own === undefined ? undefined : objectIn(own, DEVICE);
};

export const createOwnServer = (): OwnServer => {
  const person = makePerson(USER);
  person.keys = {};
  const oneTimeKeys = new Map<string, unknown>();
  const upload = (body: JsonObject): JsonObject => {
    const keys = objectIn(body, "device_keys");
    if (keys !== undefined) person.devices.set(DEVICE, keys);
    for (const [id, key] of Object.entries(objectIn(body, "one_time_keys") ?? {})) oneTimeKeys.set(id, key);
    return { one_time_key_counts: { signed_curve25519: oneTimeKeys.size } };
  };
  const signingKeys = (body: JsonObject): JsonObject => {
    const [master, selfSigning, userSigning] = ["master_key", "self_signing_key", "user_signing_key"].map(
      (name) => objectIn(body, name),
    );
    person.keys = {
      ...(master === undefined ? {} : { master }),
      ...(selfSigning === undefined ? {} : { selfSigning }),
      ...(userSigning === undefined ? {} : { userSigning }),
    };
    return {};
  };
  const signatures = (body: JsonObject): JsonObject => {
    const keys = signedDevice(body);
    const known = person.devices.get(DEVICE);
    if (keys !== undefined && known !== undefined)
      person.devices.set(DEVICE, { ...keys, signatures: merged(known, keys) });
    return { failures: {} };
  };
  return {
    person,
    oneTimeKeys,
    answer: (kind, body, population) => {
      if (kind === "keys-query") return answerQuery(population, person, body);
      if (kind === "keys-claim") return answerClaim(population, body);
      if (kind === "keys-upload") return JSON.stringify(upload(body));
      if (kind === "cross-signing-upload") return JSON.stringify(signingKeys(body));
      return JSON.stringify(kind === "signatures-upload" ? signatures(body) : {});
    },
  };
};

const merged = (known: JsonObject, keys: JsonObject): JsonObject => {
  const of = (object: JsonObject): JsonObject => objectIn(objectIn(object, "signatures") ?? {}, USER) ?? {};
  return { [USER]: { ...of(known), ...of(keys) } };
};

/** Runs it and gives the ms it took. */
export const clock = async (work: () => unknown): Promise<number> => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};
