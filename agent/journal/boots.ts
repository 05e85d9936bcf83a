// How old something is that waits, however often the wall clock was set meanwhile. Within one boot the monotonic clock tells it. Across boots the wall
// clock does, but only between moments at which it was known: each boot remembers one pair of both clocks. What cannot be known is null, and never too old.
import type { Database } from "#agent/store/store.ts";

/** The present, as far as it is known. */
export interface Now {
  readonly monoMs: number;
  /** Null while the clock is unset. */
  readonly wallMs: number | null;
}

/** A boot of this store, with the first moment at which its wall clock was known. */
export interface KnownBoot {
  readonly id: number;
  readonly knownMono: number | null;
  readonly knownWall: number | null;
}

const numberOrNull = (value: unknown): number | null => (typeof value === "number" ? value : null);

const toBoot = (row: Readonly<Record<string, unknown>> | null): KnownBoot | null =>
  row === null
    ? null
    : {
        id: Number(row["id"]),
        knownMono: numberOrNull(row["known_mono"]),
        knownWall: numberOrNull(row["known_wall"]),
      };

/** The boot that runs, which is the newest row. */
export const openBoot = (database: Database, boot: string): KnownBoot => {
  database.prepare("INSERT OR IGNORE INTO journal_boot (boot) VALUES (?)").run(boot);
  const found = toBoot(database.prepare("SELECT * FROM journal_boot WHERE boot = ?").get(boot));
  if (found === null) throw new Error("journal: the boot that was just written is not there");
  return found;
};

/** The clock is known from now on. The first such moment of a boot stays. */
export const noteKnownClock = (database: Database, bootId: number, monoMs: number, wallMs: number): void => {
  database
    .prepare("UPDATE journal_boot SET known_mono = ?, known_wall = ? WHERE id = ? AND known_mono IS NULL")
    .run(Math.round(monoMs), Math.round(wallMs), bootId);
};

export const bootById = (database: Database, id: number): KnownBoot | null =>
  toBoot(database.prepare("SELECT * FROM journal_boot WHERE id = ?").get(id));

/** Milliseconds since `atMono` of the boot `of`; null where nobody can know. */
export const ageMs = (now: Now, current: KnownBoot, of: KnownBoot | null, atMono: number): number | null => {
  if (of === null) return null;
  if (of.id === current.id) return now.monoMs - atMono;
  if (now.wallMs === null || of.knownMono === null || of.knownWall === null) return null;
  return now.wallMs - (of.knownWall + atMono - of.knownMono);
};

/** The boot that runs, once the journal is open. */
export const newestBoot = (database: Database): KnownBoot | null =>
  toBoot(database.prepare("SELECT * FROM journal_boot ORDER BY id DESC LIMIT 1").get());
