// The child that the longest hold of the event loop is measured in: the agent's own way (pump, sharing, rehearsed sync) with its store on disk, requests answered
// out of the data set. A ticker on the loop sees the longest time between two of its turns; reading an answer's JSON is in it.
//   node holds.ts      prints one JSON object: {what: {cpuMs, wallMs}}
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Access, createAccess } from "#agent/encryption/access.ts";
import { batchOf } from "#agent/encryption/incoming.ts";
import type { Members } from "#agent/encryption/members.ts";
import { Pump } from "#agent/encryption/pump.ts";
import { Rehearsals } from "#agent/encryption/rehearsal.ts";
import { Sharing } from "#agent/encryption/sharing.ts";
import { encryptionMigrations } from "#agent/encryption/tables.ts";
import { type JsonObject, type MatrixClient, MatrixError } from "#agent/matrix/types.ts";
import { openStore } from "#agent/store/open.ts";
import { createMachine } from "#crypto/machine/machine.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { KEY, runtime } from "#test/agent/store/runtime.ts";
import { createOwnServer, DEVICE, EMPTY, USER } from "./contestant.ts";
import { makePopulation, type Population } from "./data.ts";
import { keyEventFor, ROOM } from "./sender.ts";

/** CPU time of the loop's thread, which is what we hold it for; and wall time, in which others may have had the CPU. */
export interface Hold {
  readonly cpuMs: number;
  readonly wallMs: number;
}
export type Holds = Record<string, Hold>;

const CACHE = fileURLToPath(new URL("../../../.cache/bench/", import.meta.url));
const MESSAGES = 100;

/** The longest time between two turns of the loop while `work` runs. */
const longestHold = async (work: () => Promise<unknown>): Promise<Hold> => {
  const longest = { cpuMs: 0, wallMs: 0 };
  const cpuMs = (): number => {
    const { system, user } = process.threadCpuUsage();
    return (system + user) / 1_000;
  };
  let last = { cpu: cpuMs(), wall: performance.now() };
  let running = true;
  const tick = (): void => {
    if (!running) return;
    const now = { cpu: cpuMs(), wall: performance.now() };
    longest.cpuMs = Math.max(longest.cpuMs, now.cpu - last.cpu);
    longest.wallMs = Math.max(longest.wallMs, now.wall - last.wall);
    last = now;
    if (running) setImmediate(tick);
  };
  setImmediate(tick);
  await work();
  await new Promise((resolve) => setImmediate(resolve));
  running = false;
  return longest;
};

const own = createOwnServer();
let population: Population = EMPTY;

const KINDS: readonly (readonly [string, string])[] = [
  ["/keys/query", "keys-query"],
  ["/keys/claim", "keys-claim"],
  ["/keys/upload", "keys-upload"],
  ["/device_signing/upload", "cross-signing-upload"],
  ["/keys/signatures/upload", "signatures-upload"],
];

/** Answers as a server would, a while later. Making an answer is the bench's own work: the large ones are made before the clock runs. */
const client: Pick<MatrixClient, "request"> = {
  request: async (_method, path, options) => {
    if (path.includes("/room_keys/"))
      throw new MatrixError("refused", "none", {
        status: 404,
        errcode: "M_NOT_FOUND",
        body: { errcode: "M_NOT_FOUND" },
      });
    const kind = KINDS.find(([part]) => path.includes(part))?.[1] ?? "to-device";
    const text =
      answers.get(JSON.stringify(options?.body)) ?? own.answer(kind, options?.body ?? {}, population);
    await new Promise((resolve) => setTimeout(resolve, 1));
    return JSON.parse(text) as JsonObject;
  },
};
const answers = new Map<string, string>();

/** Made before the clock runs: the answers to what is under way. */
const prepareAnswers = async (access: Access): Promise<void> => {
  const requests = await access.in((calls) => calls.outgoingRequests());
  for (const { body, kind } of requests)
    if (body !== null) answers.set(JSON.stringify(body), own.answer(kind, body, population));
};

const measure = async (folder: string): Promise<Holds> => {
  const path = join(folder, "petrel.db");
  const store = await openStore({ path, key: KEY, migrations: [encryptionMigrations], runtime });
  const machine = createMachine({ provider: nodeProvider, userId: USER, deviceId: DEVICE });
  const access = createAccess(store, nodeProvider, machine, runtime.log, () => Date.now());
  const pump = new Pump(access, store, client, runtime, {
    auth: () => null,
    roomEvent: () => Promise.resolve(null),
    answered: () => undefined,
    fatal: (error) => {
      throw error;
    },
  });
  const track = (userIds: readonly string[]): Promise<void> =>
    access.in((calls) => calls.trackUsers(userIds));
  await access.in((calls) => {
    calls.setUp();
    calls.bootstrapCrossSigning();
    calls.receiveRoomEncryption(ROOM, { algorithm: "m.megolm.v1.aes-sha2" });
  });
  await pump.settle();
  await access.in((calls) => calls.receiveDeviceLists({ changed: [USER], left: [] }));
  await pump.settle();
  const holds: Holds = {};

  population = makePopulation("many", 2_003, 2);
  await track(population.userIds);
  await prepareAnswers(access);
  holds["a /keys/query of 2,003 devices"] = await longestHold(() => pump.settle());

  const thousand = makePopulation("thousand", 1_000, 2);
  population = thousand;
  await track(thousand.userIds);
  await pump.settle();
  await access.in((calls) => calls.prepareSessions(thousand.userIds));
  await prepareAnswers(access);
  holds["claim 1,000 one-time keys"] = await longestHold(() => pump.settle());

  const members = {
    encryption: () => Promise.resolve(undefined),
    checked: () => undefined,
    of: () => Promise.resolve({ members: thousand.userIds, sharedHistory: true }),
  } as unknown as Members; // what Sharing asks of it
  const { log, timers } = runtime;
  const sharing = new Sharing({ access, members, pump, log, timers, strategy: "cross-signed", userId: USER });
  holds["share a room key to 1,000 devices"] = await longestHold(async () => {
    const { kind } = await sharing.prepare(ROOM);
    if (kind !== "ready") throw new Error(`bench: the room is ${kind}`);
  });

  const events: JsonObject[] = [];
  while (events.length < MESSAGES) {
    await access.in((calls) =>
      calls.receiveKeyCounts({
        oneTimeKeys: { signed_curve25519: own.oneTimeKeys.size },
        unusedFallbackTypes: [],
        initial: false,
      }),
    );
    await pump.settle();
    while (events.length < MESSAGES && own.oneTimeKeys.size > 0) events.push(keyEventFor(own, events.length));
  }
  const rehearsals = new Rehearsals({ access, store, timers, userId: USER });
  const batch = { ...batchOf([]), toDevice: events };
  holds["a sync with 100 pre-key messages"] = await longestHold(async () => {
    await rehearsals.play(batch);
    const results = await store.transaction((database) =>
      rehearsals.callsFor(batch, database, access.on(database)).receiveToDevice(batch.toDevice),
    );
    if (results.some(({ kind }) => kind !== "room-key")) throw new Error("bench: a message was not read");
    await store.durable();
  });
  await store.close();
  return holds;
};

mkdirSync(CACHE, { recursive: true });
const folder = mkdtempSync(join(CACHE, "holds-"));
const holds = await measure(folder);
rmSync(folder, { recursive: true, force: true });
console.log(JSON.stringify(holds));
process.exit(0);
