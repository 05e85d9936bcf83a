// The outbox's tables. A row is one event that shall be in a room exactly once; its transaction ID is fixed before the first attempt.
import type { Migrations } from "#agent/store/store.ts";

export const deliveryMigrations: Migrations = {
  module: "delivery",
  steps: [
    `CREATE TABLE outbox (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       lane TEXT NOT NULL,
       room_id TEXT NOT NULL,
       type TEXT NOT NULL,
       txn_id TEXT NOT NULL UNIQUE,
       content BLOB NOT NULL,        -- sealed JSON
       merge_key TEXT,               -- a newer row with the same key replaces this one while it was never attempted
       reference TEXT,               -- under which its event ID is remembered once it is accepted
       attempts INTEGER NOT NULL DEFAULT 0,
       in_doubt INTEGER NOT NULL DEFAULT 0,   -- 1: an attempt may have reached the room
       after_event TEXT              -- newest event of ours in that room before the first attempt: where a search may stop
     ) STRICT;
     CREATE INDEX outbox_lane ON outbox (lane, id);
     CREATE TABLE outbox_delivered (reference TEXT PRIMARY KEY, event_id TEXT NOT NULL) STRICT;
     CREATE TABLE outbox_newest (room_id TEXT PRIMARY KEY, event_id TEXT NOT NULL) STRICT;
     CREATE TABLE outbox_dead (
       id INTEGER PRIMARY KEY,
       lane TEXT NOT NULL,
       room_id TEXT NOT NULL,
       type TEXT NOT NULL,
       txn_id TEXT NOT NULL,
       content BLOB NOT NULL,
       reason TEXT NOT NULL,
       at_ms INTEGER NOT NULL
     ) STRICT;`,
    // JSON: the content of the m.room.encrypted that the row became, as it was or will be sent. Null: not encrypted (yet).
    "ALTER TABLE outbox ADD COLUMN cipher TEXT",
    // Bytes to and from the homeserver by day (UTC, days since the epoch) and interface: what was counted and a reserve above it (byte-budget.ts).
    `CREATE TABLE network_day (day INTEGER NOT NULL, interface TEXT NOT NULL, bytes INTEGER NOT NULL, UNIQUE (day, interface)) STRICT`,
    // When a row began to wait, by the clocks of a boot (journal_boot); null: it has not been seen waiting, or holds readings, whose times the journal knows.
    `ALTER TABLE outbox ADD COLUMN boot INTEGER;
     ALTER TABLE outbox ADD COLUMN at_mono INTEGER;
     ALTER TABLE outbox ADD COLUMN at_ms INTEGER;
     -- Events that gave way: those that nobody was told of yet, and all there ever were.
     CREATE TABLE outbox_loss (
       lane TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
       UNIQUE (lane, reason)
     ) STRICT;
     CREATE TABLE outbox_lost (lane TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, UNIQUE (lane, reason)) STRICT;`,
    // Events a second that the homeserver takes, as learned; no row: no limit is known (rate-memory.ts).
    "CREATE TABLE outbox_rate (rate REAL NOT NULL) STRICT",
  ],
};

export const CONTENT_CONTEXT = "outbox/content";
