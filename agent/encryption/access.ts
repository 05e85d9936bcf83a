// The machine within the agent's transactions. Every use is one transaction (or a part of the caller's); what the machine has to say is logged after it.
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Log } from "#agent/runtime.ts";
import type { Database, Store } from "#agent/store/store.ts";
import type { Machine, MachineCalls } from "#crypto/machine/machine.ts";
import type { Notice } from "#crypto/machine/notices.ts";
import type { Change, MachineStore } from "#crypto/machine/store/store.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import type { JsonObject as CryptoJson } from "#crypto/shape.ts";
import { createMachineStore } from "./machine-store.ts";

export interface Access {
  /** In the caller's transaction; it logs `calls.notices` with `tell` once that is over. */
  on(database: Database): MachineCalls;
  /** In a transaction of its own. */
  in<T>(work: (calls: MachineCalls, database: Database) => T): Promise<T>;
  tell(notices: readonly Notice[]): void;
  /** The machine over a store that is not the database itself. */
  over(store: MachineStore): MachineCalls;
  /** The machine's rows in a transaction or a read. */
  storeOf(database: Database): MachineStore;
  /** Hears of each write of the machine, when it is made; gives back how to stop that. */
  watch(listener: (changes: readonly Change[]) => void): () => void;
}

/** What every person should hear of at once; the rest is for who reads the log closely. */
const ALARMS: ReadonlySet<Notice["kind"]> = new Set<Notice["kind"]>([
  "one-time-key-collision",
  "one-time-keys-unknown",
  "own-device-replaced",
  "device-cloned",
]);

export const createAccess = (
  store: Store,
  provider: CryptoProvider,
  machine: Machine,
  log: Log,
  nowMs: () => number,
  /** Sessions became readable in a transaction of `in`'s: in it what waits for them is read. What it gives back is called after it. */
  keysCame?: (calls: MachineCalls, database: Database) => () => void,
): Access => {
  const listeners = new Set<(changes: readonly Change[]) => void>();
  const storeOf = (database: Database): MachineStore => {
    const rows = createMachineStore(database, store.vault, provider);
    const write = (changes: readonly Change[]): void => {
      rows.write(changes);
      for (const listener of listeners) listener(changes);
    };
    return { get: rows.get, list: rows.list, write };
  };
  const over = (rows: MachineStore): MachineCalls => machine.on(rows, Math.round(nowMs()));
  const on = (database: Database): MachineCalls => over(storeOf(database));
  const tell = (notices: readonly Notice[]): void => {
    for (const { kind, ...fields } of notices) {
      const text = `encryption: ${kind.replaceAll("-", " ")}`;
      if (ALARMS.has(kind)) log.error(fields, text);
      else log.warn(fields, text);
    }
  };
  return {
    on,
    over,
    storeOf,
    tell,
    watch: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    in: async (work) => {
      let notices: readonly Notice[] = [];
      let after: (() => void) | undefined;
      const result = await store.transaction((database) => {
        const calls = on(database);
        const made = work(calls, database);
        if (calls.readable.length > 0) after = keysCame?.(calls, database);
        notices = calls.notices;
        return made;
      });
      tell(notices);
      after?.();
      return result;
    },
  };
};

/** The same JSON under the other folder's name for it: theirs allows `unknown` where ours lists what JSON has. */
export const fromCrypto = (json: CryptoJson): JsonObject => json as JsonObject; // made by the machine for a request or an event, so it is JSON
