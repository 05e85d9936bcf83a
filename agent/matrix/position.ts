// The row of `matrix_sync`: how far the sync has come, for which device, and with which filter.
import type { Database, Store } from "#agent/store/store.ts";

export interface Position {
  /** Null: nothing yet, or the server no longer knew where we were. */
  readonly since: string | null;
  /** How many events were marked as seen, ever. */
  readonly seenSeq: number;
  /** The server's name for our filter; null when it has none, or forgot it. */
  readonly filterId: string | null;
}

export interface Owner {
  readonly userId: string;
  readonly deviceId: string;
}

const NOWHERE: Position = { since: null, seenSeq: 0, filterId: null };

/** `filter`: as JSON text. An uploaded filter counts only while it is the one that is wanted. */
export const readPosition = (store: Store, owner: Owner, filter: string): Position => {
  const row = store.read((database) => database.prepare("SELECT * FROM matrix_sync WHERE id = 1").get());
  if (row === null) return NOWHERE;
  const seenSeq = Number(row["seen_seq"]);
  // A position is one device's: to-device messages wait for each of them apart.
  if (row["user_id"] !== owner.userId || row["device_id"] !== owner.deviceId) return { ...NOWHERE, seenSeq };
  const filterId = row["filter_id"];
  return {
    since: String(row["next_batch"]),
    seenSeq,
    filterId: typeof filterId === "string" && row["filter"] === filter ? filterId : null,
  };
};

export const writePosition = (
  database: Database,
  owner: Owner,
  filter: string,
  position: Position & { readonly since: string },
): void => {
  database
    .prepare(
      `INSERT OR REPLACE INTO matrix_sync (id, user_id, device_id, next_batch, filter, filter_id, seen_seq)
       VALUES (1, ?, ?, ?, ?, ?, ?)`,
    )
    .run(owner.userId, owner.deviceId, position.since, filter, position.filterId, position.seenSeq);
};
