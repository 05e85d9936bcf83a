// The inbox of commands: each is written in the transaction of the sync that brought it, and runs once, whatever dies when.
//   received -> running -> succeeded | failed          received -> refused
//   received -> asked -> running (its code came; confirmation.ts)
import type { Migrations } from "#agent/store/store.ts";

export const commandsMigrations: Migrations = {
  module: "commands",
  steps: [
    `CREATE TABLE command (
       event_id TEXT PRIMARY KEY,
       room_id TEXT NOT NULL,
       sender TEXT NOT NULL,
       sent_ms INTEGER NOT NULL,      -- origin_server_ts: the server's word
       provenance TEXT NOT NULL,      -- initial, live, gap
       request BLOB NOT NULL,         -- sealed JSON of the request
       state TEXT NOT NULL
     ) STRICT;
     CREATE INDEX command_state ON command (state, sent_ms);`,
    // How it came: null in clear, else the sending device's ID, empty where that is not known.
    "ALTER TABLE command ADD COLUMN device_id TEXT",
    `CREATE TABLE command_confirmation (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       event_id TEXT NOT NULL UNIQUE,
       room_id TEXT NOT NULL,
       sender TEXT NOT NULL,
       secret BLOB NOT NULL,          -- sealed: the code, and what was said that the command does
       until_ms INTEGER NOT NULL,
       state TEXT NOT NULL,           -- open, used, void
       tries INTEGER NOT NULL
     ) STRICT;`,
  ],
};

export const REQUEST_CONTEXT = "command/request";
