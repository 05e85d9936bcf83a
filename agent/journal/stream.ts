// The stream that new readings go to: one per boot of this store, found again when the process starts twice in one boot.
import type { Database, Row } from "#agent/store/store.ts";

export interface Boot {
  /** The kernel's boot ID: monotonic time means something only together with it. */
  readonly id: string;
}

export interface Stream {
  readonly rowId: number;
  readonly name: string;
  readonly boot: string;
  readonly bootSeq: number;
  readonly nextPack: number;
}

const toStream = (row: Row): Stream => ({
  rowId: Number(row["id"]),
  name: String(row["stream"]),
  boot: String(row["boot"]),
  bootSeq: Number(row["boot_seq"]),
  nextPack: Number(row["next_pack"]),
});

export const streamById = (database: Database, rowId: number): Stream => {
  const row = database.prepare("SELECT * FROM journal_stream WHERE id = ?").get(rowId);
  if (row === null) throw new Error(`journal: a chunk belongs to stream ${rowId}, which is not there`);
  return toStream(row);
};

/** This boot, as it is told in events: valid once the journal is open. */
export const currentBoot = (database: Database): { readonly id: string; readonly seq: number } => {
  const row = database.prepare("SELECT boot, boot_seq FROM journal_stream ORDER BY id DESC LIMIT 1").get();
  return { id: String(row?.["boot"] ?? ""), seq: Number(row?.["boot_seq"] ?? 0) };
};

/** Streams of earlier boots of which nothing waits any more: readings leave in the order of their streams. */
const forgetEmptied = (database: Database, current: Stream): void => {
  const chunk = database.prepare("SELECT stream FROM journal_chunk ORDER BY id LIMIT 1").get();
  const loss = database.prepare("SELECT min(stream) AS stream FROM journal_loss").get();
  const waiting = [chunk?.["stream"], loss?.["stream"]].filter((row) => typeof row === "number");
  database.prepare("DELETE FROM journal_stream WHERE id < ?").run(Math.min(current.rowId, ...waiting));
};

/** The stream of this boot, made if this is its first start. `newName` is random: it tells this store's stream from a clone's. */
export const openStream = (database: Database, boot: Boot, newName: string): Stream => {
  const last = database.prepare("SELECT * FROM journal_stream ORDER BY id DESC LIMIT 1").get();
  if (last !== null && last["boot"] === boot.id) return toStream(last);
  const bootSeq = last === null ? 1 : Number(last["boot_seq"]) + 1;
  database
    .prepare("INSERT INTO journal_stream (stream, boot, boot_seq, next_pack) VALUES (?, ?, ?, 0)")
    .run(newName, boot.id, bootSeq);
  const made = database.prepare("SELECT * FROM journal_stream ORDER BY id DESC LIMIT 1").get();
  if (made === null) throw new Error("journal: the stream that was just made is not there");
  const stream = toStream(made);
  forgetEmptied(database, stream);
  return stream;
};

/** The first sequence number that was never given out: above what was packed, what waits and what was lost. */
export const nextSeqOf = (database: Database, stream: Stream): number => {
  const ends = database
    .prepare(
      `SELECT max(end) AS end FROM (
         SELECT first_seq + count AS end FROM journal_chunk WHERE stream = ?1
         UNION ALL SELECT from_seq + count FROM journal_loss WHERE stream = ?1)`,
    )
    .get(stream.rowId);
  return Math.max(stream.nextPack, Number(ends?.["end"] ?? 0));
};
