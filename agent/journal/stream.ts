// Streams: runs of numbered readings. Each boot of this store begins one, found again when the process starts twice in one boot. When a backlog has to be
// caught up, live readings go to a new one, so that they can be sent ahead and order within each stream still holds.
import type { Database, Row } from "#agent/store/store.ts";
import type { Predecessor } from "#agent/telemetry/reading.ts";

export interface Boot {
  /** The kernel's boot ID: monotonic time means something only together with it. */
  readonly id: string;
}

export interface Stream {
  readonly rowId: number;
  readonly name: string;
  readonly boot: string;
  readonly bootSeq: number;
  readonly bootRow: number | null;
  readonly nextPack: number;
  /** Chunks with a smaller ID belong to older streams. */
  readonly firstChunk: number;
  readonly after: Predecessor | null;
}

const toStream = (row: Row): Stream => ({
  rowId: Number(row["id"]),
  name: String(row["stream"]),
  boot: String(row["boot"]),
  bootSeq: Number(row["boot_seq"]),
  bootRow: typeof row["boot_row"] === "number" ? row["boot_row"] : null,
  nextPack: Number(row["next_pack"]),
  firstChunk: Number(row["first_chunk"]),
  after:
    typeof row["after_stream"] === "string"
      ? { stream: row["after_stream"], end: Number(row["after_end"]) }
      : null,
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

/** The stream that live readings go to: the newest. Null before the journal was opened for the first time. */
export const liveStream = (database: Database): Stream | null => {
  const row = database.prepare("SELECT * FROM journal_stream ORDER BY id DESC LIMIT 1").get();
  return row === null ? null : toStream(row);
};

/** Older streams of which nothing waits any more. */
const forgetEmptied = (database: Database, current: Stream): void => {
  database
    .prepare(
      `DELETE FROM journal_stream WHERE id < ?
         AND id NOT IN (SELECT stream FROM journal_chunk) AND id NOT IN (SELECT stream FROM journal_loss)`,
    )
    .run(current.rowId);
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

interface NewStream {
  readonly name: string;
  readonly boot: string;
  readonly bootRow: number;
  readonly firstChunk: number;
}

/** A new newest stream; `last` is the one before it and `end` the number at which that ended. */
export const addStream = (
  database: Database,
  { boot, bootRow, firstChunk, name }: NewStream,
  last: Stream | null,
  end: number,
): Stream => {
  const bootSeq = last === null ? 1 : last.bootSeq + (last.boot === boot ? 0 : 1);
  // Of a stream without a number no event will ever tell which one it followed.
  const after = last !== null && end > 0 ? { stream: last.name, end } : (last?.after ?? null);
  database
    .prepare(
      `INSERT INTO journal_stream (stream, boot, boot_seq, next_pack, boot_row, first_chunk, after_stream, after_end)
       VALUES (?, ?, ?, 0, ?, ?, ?, ?)`,
    )
    .run(name, boot, bootSeq, bootRow, firstChunk, after?.stream ?? null, after?.end ?? null);
  const made = liveStream(database);
  if (made === null) throw new Error("journal: the stream that was just made is not there");
  forgetEmptied(database, made);
  return made;
};

/** The ID that the next chunk gets: above all that are there, and above all of older streams. */
export const nextChunkOf = (database: Database, live: Stream | null): number => {
  const last = database.prepare("SELECT max(id) AS id FROM journal_chunk").get();
  return Math.max(Number(last?.["id"] ?? 0) + 1, live?.firstChunk ?? 1);
};

/** What is accepted from now on belongs to another stream, of the same boot: a copy of this store goes on numbering the old one. While no journal is open. */
export const endStream = (database: Database, newName: string): void => {
  const last = liveStream(database);
  if (last === null || last.bootRow === null) return;
  const { boot, bootRow } = last;
  const firstChunk = nextChunkOf(database, last);
  addStream(database, { name: newName, boot, bootRow, firstChunk }, last, nextSeqOf(database, last));
};

/** The stream of this boot, made if this is its first start. `newName` is random: it tells this store's stream from a clone's. */
export const openStream = (database: Database, boot: Boot, bootRow: number, newName: string): Stream => {
  const last = liveStream(database);
  if (last !== null && last.boot === boot.id) return last;
  const firstChunk = nextChunkOf(database, last);
  const end = last === null ? 0 : nextSeqOf(database, last);
  return addStream(database, { name: newName, boot: boot.id, bootRow, firstChunk }, last, end);
};
