// The rooms that the agent found or made, remembered: it must come up while its link is down, and never makes a room twice.
import type { Migrations } from "#agent/store/store.ts";

export const roomsMigrations: Migrations = {
  module: "rooms",
  steps: [
    `CREATE TABLE room (
       kind TEXT PRIMARY KEY,          -- data, people
       configured TEXT NOT NULL,       -- what the configuration said: another word there, another room
       room_id TEXT NOT NULL,
       ours INTEGER NOT NULL           -- 1: made by the agent
     ) STRICT;`,
  ],
};
