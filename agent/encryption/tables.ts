// The tables of encryption: one for every row of the machine (crypto/machine/store/store.ts), since a row's shape is the machine's business.
import type { Migrations } from "#agent/store/store.ts";

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
  ],
};
