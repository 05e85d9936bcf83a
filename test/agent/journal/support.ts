// The oldest readings of the journal, whichever part they are of: the backlog first.
import { type TakeLimits, type Taken, takeOldest } from "#agent/journal/take.ts";
import type { Store } from "#agent/store/store.ts";

export const takeAny = (store: Store, limits: TakeLimits): Promise<Taken | null> =>
  store.transaction(
    (database) =>
      takeOldest(database, store.vault, "backlog", limits) ??
      takeOldest(database, store.vault, "live", limits),
  );
