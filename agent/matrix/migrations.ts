// The tables of the Matrix client: who we are (tokens sealed), how far the sync has come, which events have been handed on.
import type { Migrations } from "#agent/store/store.ts";

export const matrixMigrations: Migrations = {
  module: "matrix",
  steps: [
    `CREATE TABLE matrix_session (
       id INTEGER PRIMARY KEY CHECK (id = 1),
       homeserver TEXT NOT NULL,
       device_id TEXT NOT NULL,
       base_url TEXT,
       user_id TEXT,
       access_token BLOB,
       refresh_token BLOB
     ) STRICT;
     CREATE TABLE matrix_sync (
       id INTEGER PRIMARY KEY CHECK (id = 1),
       user_id TEXT NOT NULL,
       device_id TEXT NOT NULL,
       next_batch TEXT NOT NULL,
       filter TEXT NOT NULL,
       filter_id TEXT,
       seen_seq INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE matrix_seen (
       room_id TEXT NOT NULL,
       event_id TEXT NOT NULL,
       seq INTEGER NOT NULL,
       PRIMARY KEY (room_id, event_id)
     ) STRICT, WITHOUT ROWID;`,
  ],
};
