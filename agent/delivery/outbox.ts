// The one outbox: everything that leaves, of any kind, waits here (DESIGN 2). Plaintext, sealed at rest. Only rows; who sends is sender.ts.
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Random } from "#agent/runtime.ts";
import type { Database, Row, Vault } from "#agent/store/store.ts";
import { LANES, type Lane } from "./lanes.ts";
import { DEAD_LETTERS_MAX } from "./limits.ts";
import { CONTENT_CONTEXT } from "./tables.ts";

export interface Outgoing {
  readonly lane: Lane;
  readonly roomId: string;
  readonly type: string;
  readonly content: JsonObject;
  /** A newer event with the same key takes the place of this one while it was never attempted (the status card). */
  readonly mergeKey?: string;
  /** Its event ID can be asked for under this name once it is accepted. */
  readonly reference?: string;
}

export interface OutboxRow {
  readonly id: number;
  readonly lane: Lane;
  readonly roomId: string;
  readonly type: string;
  readonly txnId: string;
  readonly content: JsonObject;
  readonly reference: string | null;
  readonly attempts: number;
  readonly inDoubt: boolean;
  readonly afterEvent: string | null;
  /** The content of the `m.room.encrypted` that it became at an earlier attempt. */
  readonly cipher: JsonObject | null;
}

/** The key in each content by which an attempt in doubt is found again, by us and by a reader that drops duplicates. */
export const TXN_KEY = "dev.petrel.txn";

const TXN_RANDOM_BYTES = 12;

/** Length of a transaction ID: a letter and 12 bytes in base64url. */
export const TXN_CHARS = 17;

export const withTxnId = (content: JsonObject, txnId: string): JsonObject => ({
  ...content,
  [TXN_KEY]: txnId,
});

const newTxnId = (random: Random): string =>
  `p${Buffer.from(random(TXN_RANDOM_BYTES)).toString("base64url")}`;

const sealJson = (vault: Vault, content: JsonObject): Uint8Array =>
  vault.seal(CONTENT_CONTEXT, new TextEncoder().encode(JSON.stringify(content)));

/** The content of a row, as it was put. */
export const openJson = (vault: Vault, sealed: unknown): JsonObject => {
  if (!(sealed instanceof Uint8Array)) throw new Error("outbox: a row holds no content");
  return JSON.parse(new TextDecoder().decode(vault.open(CONTENT_CONTEXT, sealed))) as JsonObject; // we sealed a JsonObject
};

/** Puts an event into the outbox, inside the caller's transaction; gives its transaction ID. */
export const put = (database: Database, vault: Vault, random: Random, outgoing: Outgoing): string => {
  const txnId = newTxnId(random);
  const { lane, roomId, type, content, mergeKey, reference } = outgoing;
  if (mergeKey !== undefined)
    database.prepare("DELETE FROM outbox WHERE merge_key = ? AND attempts = 0").run(mergeKey);
  database
    .prepare(
      "INSERT INTO outbox (lane, room_id, type, txn_id, content, merge_key, reference) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .run(
      lane,
      roomId,
      type,
      txnId,
      sealJson(vault, withTxnId(content, txnId)),
      mergeKey ?? null,
      reference ?? null,
    );
  return txnId;
};

const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);

const openCipher = (stored: unknown): JsonObject | null =>
  typeof stored === "string" ? (JSON.parse(stored) as JsonObject) : null; // `storeCipher` wrote one

const toRow = (vault: Vault, row: Row): OutboxRow => ({
  id: Number(row["id"]),
  lane: LANES.find((lane) => lane === row["lane"]) ?? "bulk",
  roomId: String(row["room_id"]),
  type: String(row["type"]),
  txnId: String(row["txn_id"]),
  content: openJson(vault, row["content"]),
  reference: textOrNull(row["reference"]),
  attempts: Number(row["attempts"]),
  inDoubt: row["in_doubt"] === 1,
  afterEvent: textOrNull(row["after_event"]),
  cipher: openCipher(row["cipher"]),
});

/** The oldest row of a lane whose room is not among `heldRooms`; null if there is none. */
export const head = (
  database: Database,
  vault: Vault,
  lane: Lane,
  heldRooms: ReadonlySet<string>,
): OutboxRow | null => {
  const marks = [...heldRooms].map(() => "?").join(",");
  const row = database
    .prepare(`SELECT * FROM outbox WHERE lane = ? AND room_id NOT IN (${marks}) ORDER BY id LIMIT 1`)
    .get(lane, ...heldRooms);
  return row === null ? null : toRow(vault, row);
};

/**
 * From now on an attempt may have reached the room. Must be durable before the request is made. False if the row is no longer there: a newer one with
 * its merge key took its place between the look at it and now, and it must not be sent.
 */
export const markAttempt = (database: Database, row: OutboxRow): boolean => {
  const newest = database.prepare("SELECT event_id FROM outbox_newest WHERE room_id = ?").get(row.roomId);
  const { changes } = database
    .prepare(
      "UPDATE outbox SET attempts = attempts + 1, in_doubt = 1, after_event = coalesce(after_event, ?) WHERE id = ?",
    )
    .run(textOrNull(newest?.["event_id"]), row.id);
  return changes === 1;
};

/** What the row became, in the transaction that moves the ratchet on: sent again it is the same, and it is looked for by it. */
export const storeCipher = (database: Database, row: Pick<OutboxRow, "id">, cipher: JsonObject): void => {
  database.prepare("UPDATE outbox SET cipher = ? WHERE id = ?").run(JSON.stringify(cipher), row.id);
};

/** The last attempt certainly did not reach the room (429, or absent when looked for). */
export const clearDoubt = (database: Database, row: OutboxRow): void => {
  database.prepare("UPDATE outbox SET in_doubt = 0 WHERE id = ?").run(row.id);
};

/** Whatever waits may be in a room already: another process had this store. Each is looked for before it is sent. */
export const doubtAll = (database: Database): void => {
  database.prepare("UPDATE outbox SET in_doubt = 1").run();
};

/** The event is in the room; without an ID, the server only said that it has it. */
export const acknowledge = (
  database: Database,
  row: Pick<OutboxRow, "id" | "roomId" | "reference">,
  eventId: string | null,
): void => {
  database.prepare("DELETE FROM outbox WHERE id = ?").run(row.id);
  if (eventId === null) return;
  database
    .prepare("INSERT OR REPLACE INTO outbox_newest (room_id, event_id) VALUES (?, ?)")
    .run(row.roomId, eventId);
  if (row.reference !== null)
    database
      .prepare("INSERT OR REPLACE INTO outbox_delivered (reference, event_id) VALUES (?, ?)")
      .run(row.reference, eventId);
};

/** The room will never accept it: set aside with the reason, so that what stands behind it goes on. */
export const bury = (database: Database, row: OutboxRow, reason: string, atMs: number): void => {
  database
    .prepare(
      `INSERT INTO outbox_dead (id, lane, room_id, type, txn_id, content, reason, at_ms)
       SELECT id, lane, room_id, type, txn_id, content, ?, ? FROM outbox WHERE id = ?`,
    )
    .run(reason, Math.round(atMs), row.id);
  database.prepare("DELETE FROM outbox WHERE id = ?").run(row.id);
  database
    .prepare("DELETE FROM outbox_dead WHERE id NOT IN (SELECT id FROM outbox_dead ORDER BY id DESC LIMIT ?)")
    .run(DEAD_LETTERS_MAX);
};

export const deliveredAs = (database: Database, reference: string): string | null =>
  textOrNull(
    database.prepare("SELECT event_id FROM outbox_delivered WHERE reference = ?").get(reference)?.[
      "event_id"
    ],
  );

/** The event of this name is of no use any more: it was redacted, or nobody will ask for it. */
export const forgetDelivered = (database: Database, reference: string): void => {
  database.prepare("DELETE FROM outbox_delivered WHERE reference = ?").run(reference);
};

/** An event that was put under this name may be in the room already, but which it is there is not known yet. */
export const isUnsettled = (database: Database, reference: string): boolean =>
  database.prepare("SELECT 1 FROM outbox WHERE reference = ? AND attempts > 0").get(reference) !== null;

/** An event that was put under this name waits still, attempted or not. */
export const isWaiting = (database: Database, reference: string): boolean =>
  database.prepare("SELECT 1 FROM outbox WHERE reference = ?").get(reference) !== null;

export const waitingIn = (database: Database, lane: Lane): number =>
  Number(database.prepare("SELECT count(*) AS n FROM outbox WHERE lane = ?").get(lane)?.["n"] ?? 0);

export const waitingFor = (database: Database, lane: Lane, roomId: string): number =>
  Number(
    database.prepare("SELECT count(*) AS n FROM outbox WHERE lane = ? AND room_id = ?").get(lane, roomId)?.[
      "n"
    ] ?? 0,
  );

/** The lane has another room now (the configuration changed): what surely has not reached the old one goes to the new one. */
export const reroute = (database: Database, lane: Lane, roomId: string): void => {
  database
    .prepare(
      "UPDATE outbox SET room_id = ?1, after_event = NULL, cipher = NULL WHERE lane = ?2 AND room_id <> ?1 AND in_doubt = 0",
    )
    .run(roomId, lane);
};

export const deadLetters = (database: Database): number =>
  Number(database.prepare("SELECT count(*) AS n FROM outbox_dead").get()?.["n"] ?? 0);
