// A homeserver of a few dozen lines for machines of ours: keeps keys, answers queries and claims, carries to-device messages. A test may
// alter what it stores or carries.

import type { ToDeviceResult } from "#crypto/machine/olm/receive.ts";
import type { Request } from "#crypto/machine/requests.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { isJsonObject, type JsonObject } from "#crypto/shape.ts";
import { crossSign, makePerson, type Person } from "./people.ts";
import { makeOurs, type Ours } from "./world.ts";

export interface Carried {
  readonly to: Ours;
  readonly event: JsonObject;
}

export interface Server {
  readonly people: Map<string, Person>;
  readonly machines: Ours[];
  /** Unclaimed keys: user, device, then key ID to key. */
  readonly oneTimeKeys: Map<string, Map<string, unknown>>;
  /** Every to-device event that was sent, in order, delivered or not. */
  readonly sent: Carried[];
  /** A machine whose user is known, its device cross-signed unless said otherwise. */
  join(ours: Ours, options?: { readonly crossSigned?: boolean; readonly confirmed?: boolean }): Ours;
  handle(from: Ours, request: Request): unknown;
  /** Answers all requests of all machines until none is left. Carries nothing. */
  settle(): void;
  /** Gives the events sent since the last delivery to their machines. */
  deliver(): ToDeviceResult[];
}

const objects = (value: unknown): [string, JsonObject][] =>
  isJsonObject(value) ? (Object.entries(value) as [string, JsonObject][]) : [];
const nameOf = (user: string, device: string): string => JSON.stringify([user, device]);

/** `provider`: for the identities of its users. */
export const makeServer = (provider: CryptoProvider = nodeProvider): Server => {
  let delivered = 0;
  const uncrossed = new Set<Ours>();
  const personOf = (userId: string): Person => {
    const person = server.people.get(userId) ?? makePerson(userId, provider);
    server.people.set(userId, person);
    return person;
  };
  const upload = (from: Ours, body: JsonObject): JsonObject => {
    const { userId, deviceId } = from.config;
    const keys = body["device_keys"] as JsonObject | undefined;
    const person = personOf(userId);
    if (keys) person.devices.set(deviceId, uncrossed.has(from) ? keys : crossSign(person, keys));
    const stored = server.oneTimeKeys.get(nameOf(userId, deviceId)) ?? new Map<string, unknown>();
    for (const [id, key] of objects(body["one_time_keys"])) stored.set(id, key);
    server.oneTimeKeys.set(nameOf(userId, deviceId), stored);
    return { one_time_key_counts: { signed_curve25519: stored.size } };
  };
  const query = (body: JsonObject): JsonObject => {
    const asked = objects(body["device_keys"]).flatMap(([user]) => server.people.get(user) ?? []);
    const shown = (of: (person: Person) => unknown): JsonObject =>
      Object.fromEntries(asked.map((person) => [person.userId, of(person)]));
    return JSON.parse(
      JSON.stringify({
        device_keys: shown(({ devices }) => Object.fromEntries(devices)),
        master_keys: shown(({ keys }) => keys.master),
        self_signing_keys: shown(({ keys }) => keys.selfSigning),
        user_signing_keys: shown(({ keys }) => keys.userSigning),
      }),
    ) as JsonObject;
  };
  const claim = (body: JsonObject): JsonObject => {
    const one = (user: string, device: string): [string, unknown][] => {
      const keys = server.oneTimeKeys.get(nameOf(user, device));
      const [first] = keys ?? [];
      if (first) keys?.delete(first[0]);
      return first ? [[device, Object.fromEntries([first])]] : [];
    };
    const users = objects(body["one_time_keys"]).map(([user, devices]) => [
      user,
      Object.fromEntries(Object.keys(devices).flatMap((device) => one(user, device))),
    ]);
    return { one_time_keys: Object.fromEntries(users) as JsonObject };
  };
  const carry = (from: Ours, path: string, body: JsonObject): JsonObject => {
    const type = decodeURIComponent(path.split("/")[5] ?? "");
    for (const [user, devices] of objects(body["messages"])) {
      for (const [device, content] of objects(devices)) {
        const to = server.machines.find(({ config }) => config.userId === user && config.deviceId === device);
        if (to) server.sent.push({ to, event: { type, sender: from.config.userId, content } });
      }
    }
    return {};
  };
  const server: Server = {
    people: new Map(),
    machines: [],
    oneTimeKeys: new Map(),
    sent: [],
    join: (ours, options = {}) => {
      server.machines.push(ours);
      if (options.crossSigned === false) uncrossed.add(ours);
      const person = personOf(ours.config.userId);
      ours.answerAll("keys-upload", ({ body }) => upload(ours, body ?? {}));
      server.settle();
      if (options.confirmed !== false) ours.in((calls) => calls.confirmOwnIdentity(person.masterKey));
      return ours;
    },
    handle: (from, { kind, path, body }) => {
      if (kind === "keys-upload") return upload(from, body ?? {});
      if (kind === "keys-query") return query(body ?? {});
      if (kind === "keys-claim") return claim(body ?? {});
      return kind === "to-device" ? carry(from, path, body ?? {}) : { changed: [], left: [] };
    },
    settle: () => {
      for (let busy = true; busy; ) {
        busy = false;
        for (const ours of server.machines) {
          for (const request of ours.in((calls) => calls.outgoingRequests())) {
            busy = true;
            const body = server.handle(ours, request);
            ours.in((calls) => calls.answer(request.id, { ok: true, body }));
          }
        }
      }
    },
    deliver: () => {
      const events = server.sent.slice(delivered);
      delivered = server.sent.length;
      return events.flatMap(({ to, event }) => [...to.in((calls) => calls.receiveToDevice([event]))]);
    },
  };
  return server;
};

/** Two users with one device each, who know each other. */
export const makePair = (): { server: Server; alice: Ours; bob: Ours } => {
  const server = makeServer();
  const alice = server.join(makeOurs({ userId: "@alice:example.org", deviceId: "ALICE" }));
  const bob = server.join(makeOurs({ userId: "@bob:example.org", deviceId: "BOB" }));
  for (const ours of [alice, bob])
    ours.in((calls) => calls.trackUsers([alice.config.userId, bob.config.userId]));
  server.settle();
  return { server, alice, bob };
};

/** Sends an encrypted to-device message, claiming where it must; the event that arrives. */
export const send = (server: Server, from: Ours, to: Ours, type: string, content: JsonObject): JsonObject => {
  const { userId, deviceId } = to.config;
  from.in((calls) => calls.prepareSessions([userId]));
  server.settle();
  const count = server.sent.length;
  if (!from.in((calls) => calls.sendToDevice(userId, deviceId, type, content))) throw new Error("no session");
  server.settle();
  const carried = server.sent[count];
  if (carried === undefined) throw new Error("nothing was sent");
  return carried.event;
};
