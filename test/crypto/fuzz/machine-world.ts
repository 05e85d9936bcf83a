// The world of the machine's fuzz targets: Alice and Bob, who know each other and share a room, made once of a seeded provider. Each input meets Bob's machine as it
// was then: what he writes goes into a layer of its own.

import { MachineError } from "#crypto/machine/errors.ts";
import { createMachine, type Machine, type MachineCalls } from "#crypto/machine/machine.ts";
import type { Change, MachineStore } from "#crypto/machine/store/store.ts";
import { beginWork } from "#crypto/machine/store/work.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { ROOM, SETTINGS } from "../machine/support/room.ts";
import { makeServer, type Server } from "../machine/support/server.ts";
import { makeOurs, type Ours, START_MS } from "../machine/support/world.ts";
import { Broken } from "./harness.ts";

export const ALICE = "@alice:example.org";
export const BOB = "@bob:example.org";
/** Rows that one input may change: a few for each thing it holds, not one for each byte. */
const ROWS_MAX = 300;

export interface World {
  readonly server: Server;
  readonly alice: Ours;
  readonly bob: Ours;
  /** One input: `work` on Bob's machine as it was, and what became of it. */
  meet<T>(work: (calls: MachineCalls) => T): Met<T>;
}

export interface Met<T> {
  readonly result: T;
  readonly changes: readonly Change[];
}

const layer = (base: MachineStore): { store: MachineStore; changes: () => readonly Change[] } => {
  const rows = beginWork(base);
  return {
    changes: () =>
      rows.changes().filter(({ table, group, item, row }) => base.get(table, group, item) !== row),
    store: {
      get: (table, group, item) => rows.get(table, group, item),
      list: (table, group, page) => rows.list(table, group, page),
      write: (changes) => {
        for (const { table, group, item, row } of changes) {
          if (row === null) rows.delete(table, group, item);
          // A change pairs a table with its rows.
          else rows.put(table, group, item, row as never);
        }
      },
    },
  };
};

const checkPrototypes = (): void => {
  if (Object.keys(Object.prototype).length > 0 || Object.keys(Array.prototype).length > 0)
    throw new Broken("a prototype was polluted");
};

/** A store on disk writes rows as JSON: none may be nested beyond what that bears, whoever sent it. */
const checkRows = (changes: readonly Change[]): void => {
  if (changes.length > ROWS_MAX) throw new Broken(`one input changed ${changes.length} rows`);
  for (const { table, row } of changes) {
    try {
      JSON.stringify(row);
    } catch (error) {
      throw new Broken(`a row of ${table} cannot be written`, { cause: error });
    }
  }
};

const meetOn =
  (machine: Machine, base: MachineStore) =>
  <T>(work: (calls: MachineCalls) => T): Met<T> => {
    const { changes, store } = layer(base);
    const calls = machine.on(store, START_MS + 1_000);
    const result = work(calls);
    const made = changes();
    checkPrototypes();
    checkRows(made);
    JSON.stringify(calls.notices);
    // Whatever was taken, the machine goes on with it.
    JSON.stringify(calls.outgoingRequests());
    checkRows(changes());
    return { result, changes: made };
  };

export const makeWorld = (provider: CryptoProvider): World => {
  const server = makeServer(provider);
  const [alice, bob] = [
    server.join(makeOurs({ provider, userId: ALICE, deviceId: "ALICE" })),
    server.join(
      makeOurs({ provider, userId: BOB, deviceId: "BOB", keyForwarding: { asks: true, answers: true } }),
    ),
  ];
  for (const ours of [alice, bob]) {
    ours.in((calls) => calls.trackUsers([ALICE, BOB]));
    ours.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
  }
  server.settle();
  return { server, alice, bob, meet: meetOn(createMachine(bob.config), bob.store) };
};

/** Alice's room key is with Bob. */
export const shareWithBob = ({ server, alice }: World): void => {
  for (let i = 0; i < 4; i += 1) {
    alice.in((calls) =>
      calls.shareRoomKey(ROOM, { members: [ALICE, BOB], strategy: "all", sharedHistory: false }),
    );
    server.settle();
  }
  server.deliver();
  server.settle();
};

export const tables = (changes: readonly Change[]): string[] =>
  [...new Set(changes.map(({ table }) => table))].sort();

/** Throws `Broken` where anything changed beyond these tables. */
export const onlyChanged = (changes: readonly Change[], allowed: readonly string[], what: string): void => {
  const beyond = tables(changes).filter((table) => !allowed.includes(table));
  if (beyond.length > 0) throw new Broken(`${what} changed ${beyond.join(", ")}`);
};

/** Throws `Broken` where one of these tables changed. */
export const neverChanged = (changes: readonly Change[], kept: readonly string[], what: string): void => {
  const touched = tables(changes).filter((table) => kept.includes(table));
  if (touched.length > 0) throw new Broken(`${what} changed ${touched.join(", ")}`);
};

/** What the machine throws at a caller's mistake is an answer like any other. */
export const orMachineError = <T>(work: () => T): T | string => {
  try {
    return work();
  } catch (error) {
    if (error instanceof MachineError) return error.code;
    throw error;
  }
};

export const asObject = (value: unknown): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
