// A row of journal_chunk as the journal's files read it; `chunk.ts` is what its bytes hold.
import type { Row } from "#agent/store/store.ts";

export interface ChunkRow {
  readonly id: number;
  readonly stream: number;
  readonly epoch: number;
  readonly firstSeq: number;
  readonly count: number;
  /** How often it was thinned. */
  readonly level: number;
  /** Wall time at which it was written, ms since the epoch; 0: not known. */
  readonly atMs: number;
  /** Sealed. */
  readonly data: Uint8Array;
}

export const toChunkRow = (row: Row): ChunkRow => {
  const data = row["data"];
  if (!(data instanceof Uint8Array)) throw new Error("journal: a chunk holds no data");
  return {
    id: Number(row["id"]),
    stream: Number(row["stream"]),
    epoch: Number(row["epoch"]),
    firstSeq: Number(row["first_seq"]),
    count: Number(row["count"]),
    level: Number(row["thinned"]),
    atMs: Number(row["at_ms"] ?? 0),
    data,
  };
};
