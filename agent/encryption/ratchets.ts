// No index of a ratchet that was ever used is used again: for a store whose newest state may be missing, or that another process has a copy of.
import type { Database } from "#agent/store/store.ts";
import { RATCHET_TABLES } from "#crypto/machine/store/device-tables.ts";

/** The keys stay; each room begins a new session with its next event, each device a new conversation. */
export const renewRatchets = (database: Database): void => {
  const remove = database.prepare("DELETE FROM machine_row WHERE kind = ?");
  for (const table of RATCHET_TABLES) remove.run(table);
};
