// The tables of encryption: one for every row of the machine (crypto/machine/store/store.ts), since a row's shape is the machine's business.
import type { Database, Migrations } from "#agent/store/store.ts";
import { toKey } from "./names.ts";

export const encryptionMigrations: Migrations = {
  module: "encryption",
  steps: [
    // Without rowids the rows of one group lie side by side: `list` reads one stretch of the tree, however many sessions there are beside it.
    `CREATE TABLE machine_row (
       kind TEXT NOT NULL,            -- the machine's table
       grp TEXT NOT NULL,
       item TEXT NOT NULL,
       value BLOB NOT NULL,           -- rows.ts
       PRIMARY KEY (kind, grp, item)
     ) STRICT, WITHOUT ROWID;`,
    // Events that could not be read yet, as the server gave them.
    `CREATE TABLE undecrypted (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       room_id TEXT NOT NULL,
       event_id TEXT NOT NULL UNIQUE,
       session_id TEXT NOT NULL,
       cause TEXT NOT NULL,
       provenance TEXT NOT NULL,
       event TEXT NOT NULL,           -- JSON
       at_ms INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX undecrypted_session ON undecrypted (room_id, session_id);`,
  ],
};

/** Whether the room was encrypted once, as far as this store knows: then it is for ever. */
export const wasEncrypted = (database: Database, roomId: string): boolean =>
  database
    .prepare("SELECT 1 FROM machine_row WHERE kind = 'room' AND grp = ? AND item = ''")
    .get(toKey(roomId)) !== null;

/** Whether a room that was joined waits for its inviter's history. */
export const expectsHistory = (database: Database): boolean =>
  database.prepare("SELECT 1 FROM machine_row WHERE kind = 'historyExpected' LIMIT 1").get() !== null;
