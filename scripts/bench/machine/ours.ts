// Our machine as a contestant: in memory, or with the agent's SQLite store, each call a transaction and durable before its effect.
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { encryptionMigrations } from "#agent/encryption/tables.ts";
import { openStore } from "#agent/store/open.ts";
import type { MachineCalls } from "#crypto/machine/machine.ts";
import type { Request } from "#crypto/machine/requests.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { KEY, runtime } from "#test/agent/store/runtime.ts";
import {
  type Contestant,
  clock,
  createOwnServer,
  DEVICE,
  EMPTY,
  type Machine,
  type OwnServer,
  ROTATION_MESSAGES,
  USER,
} from "./contestant.ts";
import type { Population } from "./data.ts";
import type * as Entry from "./ours-entry.ts";

export type Library = typeof Entry;
export const loadLibrary = async (file: string): Promise<Library> =>
  // The bundle is made of ours-entry.ts.
  (await import(pathToFileURL(file).href)) as Library;

const SLICE = 100;
const CACHE = fileURLToPath(new URL("../../../.cache/bench/", import.meta.url));

/** Transactions: in memory a call; on disk one that is durable when it resolves. */
interface Place {
  in<T>(work: (calls: MachineCalls) => T): Promise<T>;
  close(): Promise<void>;
}

const machineOf = (library: Library): ReturnType<Library["createMachine"]> =>
  library.createMachine({
    provider: library.nodeProvider,
    userId: USER,
    deviceId: DEVICE,
    rotation: { rotationMs: 604_800_000, rotationMessages: ROTATION_MESSAGES },
  });

const inMemory = (library: Library): Promise<Place> => {
  const machine = machineOf(library);
  const store = library.createMemoryStore();
  return Promise.resolve({
    in: <T>(work: (calls: MachineCalls) => T) => Promise.resolve(work(machine.on(store, Date.now()))),
    close: () => Promise.resolve(),
  });
};

export const onDisk = async (library: Library, folder: string): Promise<Place> => {
  const machine = machineOf(library);
  const path = join(folder, "petrel.db");
  const store = await openStore({ path, key: KEY, migrations: [encryptionMigrations], runtime });
  return {
    in: async (work) => {
      const result = await store.transaction((database) =>
        work(machine.on(library.createMachineStore(database, store.vault, library.nodeProvider), Date.now())),
      );
      await store.durable();
      return result;
    },
    close: () => store.close(),
  };
};

const inFolder = async (library: Library): Promise<Place> => {
  const folder = mkdtempSync(join(CACHE, "machine-"));
  const place = await onDisk(library, folder);
  return {
    in: place.in,
    close: async () => {
      await place.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

const SENT = new Set(["keys-query", "keys-claim", "to-device"]);

/** Answers what is under way until nothing is left; the ms that the machine took, making and taking. */
const settle = async (place: Place, server: OwnServer, population: Population): Promise<number> => {
  let ms = 0;
  for (;;) {
    let requests: readonly Request[] = [];
    ms += await clock(async () => {
      requests = await place.in((calls) => calls.outgoingRequests());
    });
    if (requests.length === 0) return ms;
    for (const { body, id, kind } of requests) {
      if (kind === "backup-version") {
        const none = { ok: false, status: 404, body: { errcode: "M_NOT_FOUND" } } as const;
        await place.in((calls) => calls.answer(id, none));
        continue;
      }
      const text = server.answer(kind, body ?? {}, population);
      ms += await clock(async () => {
        // As on the wire: written, and read.
        if (SENT.has(kind)) JSON.stringify(body);
        await place.in((calls) => calls.answer(id, { ok: true, body: JSON.parse(text) as unknown }));
      });
    }
  }
};

const share = async (
  place: Place,
  server: OwnServer,
  roomId: string,
  population: Population,
): Promise<number> => {
  const options = { members: population.userIds, strategy: "cross-signed", sharedHistory: true } as const;
  let ms = 0;
  for (;;) {
    let left = 0;
    ms += await clock(async () => {
      const { claims, messages, queries } = await place.in((calls) => calls.shareRoomKey(roomId, options));
      left = claims + messages + queries;
    });
    if (left === 0) return ms;
    ms += await settle(place, server, population);
  }
};

const importKeys = async (library: Library, place: Place, text: string): Promise<void> => {
  // A key file's JSON is a list.
  const sessions = (JSON.parse(text) as unknown[]).map((each) => library.parseExportedSession(each));
  for (let at = 0; at < sessions.length; at += SLICE)
    await place.in((calls) => calls.importRoomKeys(sessions.slice(at, at + SLICE)));
};

export const machineIn = (library: Library, place: Place, server: OwnServer): Machine => ({
  server,
  query: async (population) => {
    await place.in((calls) => calls.trackUsers(population.userIds));
    return settle(place, server, population);
  },
  claim: async (population) => {
    await place.in((calls) => calls.prepareSessions(population.userIds));
    return settle(place, server, population);
  },
  share: async (roomId, population) => {
    const settings = { algorithm: "m.megolm.v1.aes-sha2", rotation_period_msgs: ROTATION_MESSAGES };
    await place.in((calls) => calls.receiveRoomEncryption(roomId, settings));
    return share(place, server, roomId, population);
  },
  receive: (events) => clock(() => place.in((calls) => calls.receiveToDevice(events))),
  encrypt: async (roomId, type, content) => {
    const made = await place.in((calls) => calls.encryptRoomEvent(roomId, type, content));
    JSON.stringify(made);
    return made;
  },
  decrypt: async (roomId, event) => {
    const result = await place.in((calls) => calls.decryptRoomEvent(roomId, event));
    if (result.kind !== "decrypted")
      throw new Error(`bench: ours did not decrypt: ${JSON.stringify(result)}`);
    return result.content as JsonObject; // an object was encrypted
  },
  importKeys: (text) => clock(() => importKeys(library, place, text)),
  close: () => place.close(),
});

export const ours = (library: Library, where: "memory" | "disk"): Contestant => ({
  name: where === "memory" ? "ours" : "ours, SQLite",
  begin: async () => {
    const place = await (where === "memory" ? inMemory(library) : inFolder(library));
    const server = createOwnServer();
    await place.in((calls) => {
      calls.setUp();
      calls.bootstrapCrossSigning();
    });
    await settle(place, server, EMPTY);
    await place.in((calls) => calls.receiveDeviceLists({ changed: [USER], left: [] }));
    await settle(place, server, EMPTY);
    return machineIn(library, place, server);
  },
});
