// How far each subscription came: after a restart it goes on there, and nothing is published twice but what was under way.
import type { Migrations } from "#agent/store/store.ts";

export const subscriptionsMigrations: Migrations = {
  module: "subscriptions",
  steps: [
    `CREATE TABLE subscription (
       name TEXT PRIMARY KEY,          -- room, driver and topic as the configuration says them: other words, another subscription
       place TEXT NOT NULL,            -- of /messages: where the page under way begins
       done INTEGER NOT NULL           -- events of that page that are done
     ) STRICT;`,
  ],
};
