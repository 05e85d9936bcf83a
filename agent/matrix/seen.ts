// The event IDs that were handed on, so that none is handed on twice: servers repeat events, replay whole positions (a bad `since` that Conduit
// accepts), and a gap overlaps what was there. Bounded per room, so that a busy room does not make a quiet one forget.
import type { Database, Store } from "#agent/store/store.ts";
import { SEEN_MAX, SEEN_PER_ROOM_MAX, SEEN_SLACK } from "./limits.ts";

export interface Seen {
  /** Whether this room's event was handed on before. */
  has(roomId: string, eventId: string): boolean;
  /** Whether anything of this room was. */
  knows(roomId: string): boolean;
}

export const readSeen = (store: Store): Seen => ({
  has: (roomId, eventId) =>
    store.read((database) =>
      database
        .prepare("SELECT 1 AS found FROM matrix_seen WHERE room_id = ? AND event_id = ?")
        .get(roomId, eventId),
    ) !== null,
  knows: (roomId) =>
    store.read((database) =>
      database.prepare("SELECT 1 AS found FROM matrix_seen WHERE room_id = ? LIMIT 1").get(roomId),
    ) !== null,
});

const trimRoom = (database: Database, roomId: string): void => {
  const count = database.prepare("SELECT count(*) AS n FROM matrix_seen WHERE room_id = ?").get(roomId);
  if (Number(count?.["n"] ?? 0) <= SEEN_PER_ROOM_MAX + SEEN_SLACK) return;
  database
    .prepare(
      `DELETE FROM matrix_seen WHERE room_id = ?1 AND seq <=
         (SELECT seq FROM matrix_seen WHERE room_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)`,
    )
    .run(roomId, SEEN_PER_ROOM_MAX);
};

// Reads the whole table, so only now and then.
const trimAll = (database: Database, before: number, after: number): void => {
  if (Math.floor(before / SEEN_PER_ROOM_MAX) === Math.floor(after / SEEN_PER_ROOM_MAX)) return;
  database.prepare("DELETE FROM matrix_seen WHERE seq <= ?").run(after - SEEN_MAX);
};

/** Inside the transaction that stores the position. `seq` counts all events ever marked; gives its new value. */
export const markSeen = (
  database: Database,
  seq: number,
  rooms: ReadonlyMap<string, readonly string[]>,
): number => {
  const insert = database.prepare(
    "INSERT OR REPLACE INTO matrix_seen (room_id, event_id, seq) VALUES (?, ?, ?)",
  );
  let next = seq;
  for (const [roomId, eventIds] of rooms) {
    for (const eventId of eventIds) insert.run(roomId, eventId, ++next);
    if (eventIds.length > 0) trimRoom(database, roomId);
  }
  trimAll(database, seq, next);
  return next;
};
