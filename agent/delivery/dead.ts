// Dead letters: events that the server refused for good, set aside so that what stood behind them went on. For `petrel outbox`.
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Random } from "#agent/runtime.ts";
import type { Database, Row, Vault } from "#agent/store/store.ts";
import { LANES, type Lane } from "./lanes.ts";
import { openJson, put } from "./outbox.ts";

export interface DeadLetter {
  readonly id: number;
  readonly lane: Lane;
  readonly roomId: string;
  readonly type: string;
  readonly reason: string;
  readonly atMs: number;
}

const toLetter = (row: Row): DeadLetter => ({
  id: Number(row["id"]),
  lane: LANES.find((lane) => lane === row["lane"]) ?? "bulk",
  roomId: String(row["room_id"]),
  type: String(row["type"]),
  reason: String(row["reason"]),
  atMs: Number(row["at_ms"]),
});

/** Oldest first; one alone with `id`. */
export const listDead = (database: Database, id: number | null = null): DeadLetter[] =>
  database
    .prepare(
      "SELECT id, lane, room_id, type, reason, at_ms FROM outbox_dead WHERE id = coalesce(?, id) ORDER BY id",
    )
    .all(id)
    .map(toLetter);

const contentOf = (database: Database, vault: Vault, id: number): JsonObject | null => {
  const row = database.prepare("SELECT content FROM outbox_dead WHERE id = ?").get(id);
  return row === null ? null : openJson(vault, row["content"]);
};

/** With its content; null if there is none of this number. */
export const showDead = (
  database: Database,
  vault: Vault,
  id: number,
): (DeadLetter & { readonly content: JsonObject }) | null => {
  const [letter] = listDead(database, id);
  const content = contentOf(database, vault, id);
  return letter === undefined || content === null ? null : { ...letter, content };
};

/** For good. Gives how many. */
export const dropDead = (database: Database, id: number | null): number =>
  database.prepare("DELETE FROM outbox_dead WHERE id = coalesce(?, id)").run(id).changes;

/** Back into the outbox, behind what waits there. Under a new transaction ID: the server refused the old one, so it has no event of it. Gives how many. */
export const retryDead = (database: Database, vault: Vault, random: Random, id: number | null): number => {
  const letters = listDead(database, id);
  for (const { id: dead, lane, roomId, type } of letters) {
    const content = contentOf(database, vault, dead);
    if (content !== null) put(database, vault, random, { lane, roomId, type, content });
    dropDead(database, dead);
  }
  return letters.length;
};
