// What gives way when the journal is over its bounds, by whole chunks, so that the space comes back: what is too old, then the oldest, dropped or thinned.
import type { Database, Row, Vault } from "#agent/store/store.ts";
import { ageMs, bootById, type KnownBoot, type Now } from "./boots.ts";
import { openReadings } from "./chunk.ts";
import { GIVE_WAY_CHUNKS_MAX } from "./limits.ts";
import { countLost, noteLoss } from "./losses.ts";
import { type ChannelCounts, countByChannel, NO_CHANNELS } from "./lost-channels.ts";
import { type Stream, streamById } from "./stream.ts";
import type { ThinRule } from "./thin.ts";
import { thinNext } from "./thin-chunks.ts";

export interface JournalPolicy {
  readonly bytesMax: number;
  readonly whenFull: "reject" | "drop-oldest" | "thin";
  /** Chunks that wait longer are dropped. */
  readonly ageMaxMs?: number;
  /** What `thin` keeps: every second reading of each channel unless told. */
  readonly thin?: ThinRule;
}

/** The numbers that change when a chunk goes. */
export interface Tally {
  readonly boot: KnownBoot;
  readonly stream: Stream;
  /** Chunks up to this one are on their way as a file (ahead.ts) and give way to nothing. */
  readonly reserved: number;
  readings: number;
  live: number;
  bytes: number;
  lost: number;
}

interface Oldest {
  readonly id: number;
  readonly stream: Stream;
  readonly from: number;
  readonly count: number;
  readonly bytes: number;
  readonly atMono: number | null;
  readonly atMs: number;
}

const toOldest = (database: Database, row: Row): Oldest => {
  const stream = streamById(database, Number(row["stream"]));
  const from = Math.max(Number(row["first_seq"]), stream.nextPack);
  return {
    id: Number(row["id"]),
    stream,
    from,
    count: Number(row["first_seq"]) + Number(row["count"]) - from,
    bytes: Number(row["bytes"]),
    atMono: typeof row["at_mono"] === "number" ? row["at_mono"] : null,
    atMs: Number(row["at_ms"] ?? 0),
  };
};

const oldest = (database: Database, { reserved }: Tally): Oldest | null => {
  const row = database
    .prepare(
      "SELECT id, stream, first_seq, count, at_mono, at_ms, length(data) AS bytes FROM journal_chunk WHERE id > ? ORDER BY id LIMIT 1",
    )
    .get(reserved);
  return row === null ? null : toOldest(database, row);
};

/** Whose readings a chunk still holds: its last ones. What cannot be read any more is told without. */
const channelsOf = (database: Database, vault: Vault, { count, id }: Oldest): ChannelCounts => {
  const data = database.prepare("SELECT data FROM journal_chunk WHERE id = ?").get(id)?.["data"];
  if (!(data instanceof Uint8Array)) return NO_CHANNELS;
  const readings = openReadings(vault, data);
  return readings === null ? NO_CHANNELS : countByChannel(readings.slice(-count));
};

const drop = (
  database: Database,
  vault: Vault,
  tally: Tally,
  chunk: Oldest,
  reason: "aged" | "full",
): void => {
  const { atMs, bytes, count, from, id, stream } = chunk;
  const channels = channelsOf(database, vault, chunk);
  database.prepare("DELETE FROM journal_chunk WHERE id = ?").run(id);
  noteLoss(database, vault, stream.rowId, { from, count, reason, fromMs: atMs, untilMs: atMs, channels });
  countLost(database, reason, count);
  tally.bytes -= bytes;
  tally.readings -= count;
  if (stream.rowId === tally.stream.rowId) tally.live -= count;
  tally.lost += count;
};

const isAged = (database: Database, tally: Tally, now: Now, chunk: Oldest, ageMaxMs: number): boolean => {
  if (chunk.atMono === null) return false;
  const boot = chunk.stream.bootRow === null ? null : bootById(database, chunk.stream.bootRow);
  const age = ageMs(now, tally.boot, boot, chunk.atMono);
  return age !== null && age > ageMaxMs;
};

/** Drops what has waited too long; bounded, the rest goes the next time. True if something went. */
export const dropAged = (
  database: Database,
  vault: Vault,
  tally: Tally,
  now: Now,
  ageMaxMs: number,
): boolean => {
  let dropped = 0;
  for (; dropped < GIVE_WAY_CHUNKS_MAX; dropped += 1) {
    const chunk = oldest(database, tally);
    if (chunk === null || !isAged(database, tally, now, chunk, ageMaxMs)) break;
    drop(database, vault, tally, chunk, "aged");
  }
  return dropped > 0;
};

const dropOldest = (database: Database, vault: Vault, tally: Tally): boolean => {
  const chunk = oldest(database, tally);
  if (chunk === null) return false;
  drop(database, vault, tally, chunk, "full");
  return true;
};

const THIN_DEFAULT: ThinRule = { keep: "every", n: 2 };

/** Makes room for `needed` bytes (rough), as the policy says. */
export const giveWay = (
  database: Database,
  vault: Vault,
  tally: Tally,
  policy: JournalPolicy,
  now: Now,
  needed: number,
): void => {
  const { ageMaxMs, bytesMax, thin = THIN_DEFAULT, whenFull } = policy;
  if (ageMaxMs !== undefined) dropAged(database, vault, tally, now, ageMaxMs);
  if (whenFull === "reject") return;
  // Where thinning saves nothing any more, the oldest chunk goes.
  const step = (): boolean =>
    (whenFull === "thin" && thinNext(database, vault, tally, thin)) || dropOldest(database, vault, tally);
  while (tally.bytes + needed > bytesMax && step());
};
