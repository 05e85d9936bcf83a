// The journal's tables. A stream is a run of numbered readings (one per boot of this store); a chunk is what one group commit brought of it.
//
//   journal_chunk:  stream 3 | first_seq 120 | count 40 | epoch 7 | data (sealed)       readings 120..159
//   next_pack of the stream: readings below it have left the journal (they are in the outbox, or delivered)
import type { Migrations } from "#agent/store/store.ts";

export const journalMigrations: Migrations = {
  module: "journal",
  steps: [
    `CREATE TABLE journal_stream (
       id INTEGER PRIMARY KEY,
       stream TEXT NOT NULL UNIQUE,
       boot TEXT NOT NULL,
       boot_seq INTEGER NOT NULL,
       next_pack INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE journal_chunk (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       stream INTEGER NOT NULL REFERENCES journal_stream (id),
       first_seq INTEGER NOT NULL,
       count INTEGER NOT NULL,
       clock TEXT NOT NULL,
       data BLOB NOT NULL
     ) STRICT;
     CREATE TABLE journal_loss (
       stream INTEGER NOT NULL REFERENCES journal_stream (id),
       from_seq INTEGER NOT NULL,
       count INTEGER NOT NULL,
       reason TEXT NOT NULL
     ) STRICT;
     CREATE TABLE journal_receipt (
       id INTEGER PRIMARY KEY,
       driver TEXT NOT NULL,
       key TEXT NOT NULL,
       UNIQUE (driver, key)
     ) STRICT;`,
    // With the rowid behind it: the newest receipts of one driver.
    "CREATE INDEX journal_receipt_driver ON journal_receipt (driver)",
    // Times: chunks of one stretch of the clock share a row, so that a clock that becomes known repairs them in one place (epochs.ts).
    `CREATE TABLE journal_epoch (
       id INTEGER PRIMARY KEY,
       stream INTEGER NOT NULL,
       clock TEXT NOT NULL,
       base_ms INTEGER,                -- raw wall time at monotonic time 0; null: stamped by their source, never repaired
       offset_ms INTEGER NOT NULL      -- added to the raw times when they leave
     ) STRICT;
     ALTER TABLE journal_chunk ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
     INSERT INTO journal_epoch (stream, clock, base_ms, offset_ms)
       SELECT DISTINCT stream, clock, NULL, 0 FROM journal_chunk;
     UPDATE journal_chunk SET epoch =
       (SELECT e.id FROM journal_epoch e WHERE e.stream = journal_chunk.stream AND e.clock = journal_chunk.clock);
     ALTER TABLE journal_chunk DROP COLUMN clock;`,
  ],
};

/** What the seal of a chunk is bound to. */
export const CHUNK_CONTEXT = "journal/chunk";
