// The inbox of commands: each is written in the transaction of the sync that brought it, and runs once, whatever dies when.
//   received -> running -> succeeded | failed          received -> refused
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
  ],
};

export const REQUEST_CONTEXT = "command/request";
