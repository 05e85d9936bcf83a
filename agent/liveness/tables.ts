// How many sessions this store has begun: the number that orders births and deaths.
import type { Database, Migrations } from "#agent/store/store.ts";

export const livenessMigrations: Migrations = {
  module: "liveness",
  steps: [
    `CREATE TABLE liveness (id INTEGER PRIMARY KEY CHECK (id = 1), session INTEGER NOT NULL) STRICT;
     INSERT INTO liveness VALUES (1, 0);`,
  ],
};

export const nextSession = (database: Database): number => {
  database.prepare("UPDATE liveness SET session = session + 1 WHERE id = 1").run();
  return Number(database.prepare("SELECT session FROM liveness WHERE id = 1").get()?.["session"] ?? 0);
};
