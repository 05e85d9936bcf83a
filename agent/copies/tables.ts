// The one row of `store_mark`: which marks of ours the homeserver has or may have, for which device, and on which board this store was last used.
import { createHmac } from "node:crypto";
import type { Random } from "#agent/runtime.ts";
import type { Database, Migrations, Row, Vault } from "#agent/store/store.ts";
import { SALT_BYTES } from "./limits.ts";
import type { Mark, OwnMarks } from "./mark.ts";

export const copiesMigrations: Migrations = {
  module: "copies",
  steps: [
    `CREATE TABLE store_mark (
       id INTEGER PRIMARY KEY CHECK (id = 1),
       salt BLOB NOT NULL,            -- sealed; a copy has the same
       device_id TEXT NOT NULL,
       board TEXT,                    -- hashed
       count INTEGER,
       nonce TEXT,
       pending_count INTEGER,
       pending_nonce TEXT
     ) STRICT;`,
  ],
};

const SALT_CONTEXT = "copies/salt";

export interface OwnRow extends OwnMarks {
  readonly deviceId: string;
  /** Of a board or a boot: comparable within this store and its copies only. */
  hash(text: string): string;
}

const markOf = (count: unknown, nonce: unknown): Mark | null =>
  typeof count === "number" && typeof nonce === "string" ? { count, nonce } : null;

const toRow = (vault: Vault, row: Row): OwnRow => {
  const sealed = row["salt"];
  if (!(sealed instanceof Uint8Array)) throw new Error("store mark: the row holds no salt");
  const salt = vault.open(SALT_CONTEXT, sealed);
  return {
    deviceId: String(row["device_id"]),
    board: typeof row["board"] === "string" ? row["board"] : null,
    confirmed: markOf(row["count"], row["nonce"]),
    pending: markOf(row["pending_count"], row["pending_nonce"]),
    hash: (text) => createHmac("sha256", salt).update(text).digest("base64url").slice(0, 22),
  };
};

export const readMarks = (database: Database, vault: Vault): OwnRow | null => {
  const row = database.prepare("SELECT * FROM store_mark WHERE id = 1").get();
  return row === null ? null : toRow(vault, row);
};

/** A device's first: no mark yet, on no board yet. */
export const beginMarks = (database: Database, vault: Vault, random: Random, deviceId: string): void => {
  database
    .prepare("INSERT OR REPLACE INTO store_mark (id, salt, device_id) VALUES (1, ?, ?)")
    .run(vault.seal(SALT_CONTEXT, random(SALT_BYTES)), deviceId);
};

/** Null: no board is known, which says nothing against the one before. */
export const writeBoard = (database: Database, board: string | null): void => {
  if (board !== null) database.prepare("UPDATE store_mark SET board = ? WHERE id = 1").run(board);
};

/** Must be durable before it is sent. */
export const writePending = (database: Database, { count, nonce }: Mark): void => {
  database
    .prepare("UPDATE store_mark SET pending_count = ?, pending_nonce = ? WHERE id = 1")
    .run(count, nonce);
};

/** The server has it. */
export const confirmPending = (database: Database): void => {
  database
    .prepare(
      "UPDATE store_mark SET count = pending_count, nonce = pending_nonce WHERE id = 1 AND pending_count IS NOT NULL",
    )
    .run();
};
