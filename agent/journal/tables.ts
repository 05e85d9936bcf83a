// The journal's tables. A stream is a run of numbered readings: live ones go to the newest, what an older one still holds is a backlog. A chunk is what one
// group commit brought.
//
//   journal_chunk:  stream 3 | first_seq 120 | count 40 | epoch 7 | at_mono, at_ms | data (sealed)     readings 120..159
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
    // Without AUTOINCREMENT, which writes one page more with each chunk; the IDs are given by the ledger and only grow.
    `CREATE TABLE journal_boot (
       id INTEGER PRIMARY KEY,
       boot TEXT NOT NULL UNIQUE,
       known_mono INTEGER,           -- a moment at which the wall clock was known: both clocks
       known_wall INTEGER
     ) STRICT;
     INSERT INTO journal_boot (boot) SELECT boot FROM journal_stream GROUP BY boot ORDER BY min(id);
     ALTER TABLE journal_stream ADD COLUMN boot_row INTEGER REFERENCES journal_boot (id);
     UPDATE journal_stream SET boot_row = (SELECT b.id FROM journal_boot b WHERE b.boot = journal_stream.boot);
     ALTER TABLE journal_stream ADD COLUMN first_chunk INTEGER NOT NULL DEFAULT 0;  -- chunks below it belong to older streams
     ALTER TABLE journal_stream ADD COLUMN after_stream TEXT;   -- the stream before it, and the number at which that one ended
     ALTER TABLE journal_stream ADD COLUMN after_end INTEGER;
     CREATE TABLE journal_chunk_2 (
       id INTEGER PRIMARY KEY,
       stream INTEGER NOT NULL REFERENCES journal_stream (id),
       first_seq INTEGER NOT NULL,
       count INTEGER NOT NULL,
       epoch INTEGER NOT NULL,
       at_mono INTEGER,              -- when it was written, by the clocks of the stream's boot
       at_ms INTEGER,
       thinned INTEGER NOT NULL DEFAULT 0,   -- how often
       data BLOB NOT NULL
     ) STRICT;
     INSERT INTO journal_chunk_2 (id, stream, first_seq, count, epoch, data)
       SELECT id, stream, first_seq, count, epoch, data FROM journal_chunk;
     DROP TABLE journal_chunk;
     ALTER TABLE journal_chunk_2 RENAME TO journal_chunk;
     -- Partial: a new chunk touches neither.
     CREATE INDEX journal_chunk_thinned ON journal_chunk (id) WHERE thinned > 0;
     CREATE INDEX journal_chunk_level ON journal_chunk (thinned, id) WHERE thinned > 0;
     ALTER TABLE journal_loss ADD COLUMN from_ms INTEGER;
     ALTER TABLE journal_loss ADD COLUMN until_ms INTEGER;`,
    `ALTER TABLE journal_loss ADD COLUMN channels BLOB;          -- sealed JSON: name -> readings
     -- All that was ever lost, for who counts (metrics): told or not, whatever process lost it.
     CREATE TABLE journal_lost (reason TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT;`,
  ],
};

/** What the seal of a chunk is bound to. */
export const CHUNK_CONTEXT = "journal/chunk";
