// Tables belong to modules; each brings its own steps. The store keeps which step each module's tables are at, and its own layout in `user_version`.
//
//   store_modules: module, version          one row per module that ever had tables here
//   store_restarts: count                   what the first commit of each new WAL writes
//   store_key: check_value                  sealed with the store key
import type { Connection } from "./connection.ts";
import { type Database, type Migrations, StoreError } from "./store.ts";

/** "Petr" in the file's header (https://www.sqlite.org/pragma.html#pragma_application_id): whose database this is. */
export const APPLICATION_ID = 0x50657472;

/** The layout of the store's own tables. */
export const LAYOUT = 1;

/** What a new database holds. `auto_vacuum` must come before the first table. */
export const CREATION: string = `
  PRAGMA auto_vacuum = INCREMENTAL;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA journal_mode = WAL;
  BEGIN;
  CREATE TABLE store_modules (module TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE store_restarts (count INTEGER NOT NULL) STRICT;
  INSERT INTO store_restarts VALUES (0);
  CREATE TABLE store_key (check_value BLOB NOT NULL) STRICT;
  PRAGMA user_version = ${LAYOUT};
  COMMIT;
`;

const newer = (path: string, what: string, found: number, known: number): StoreError =>
  new StoreError(
    "NEWER",
    `store ${path}: expected ${what} at version ${known} or older, found ${found}; a newer Petrel wrote it, install that version again`,
  );

/** Refuses what is not ours (BROKEN) or of a layout that this version does not know (NEWER). */
export const checkOwner = (path: string, connection: Connection): void => {
  const application = Number(connection.ask("PRAGMA application_id"));
  if (application !== APPLICATION_ID)
    throw new StoreError(
      "BROKEN",
      `store ${path}: expected application_id ${APPLICATION_ID}, found ${application}: another program's database`,
    );
  const layout = Number(connection.ask("PRAGMA user_version"));
  if (layout > LAYOUT) throw newer(path, "the store's layout", layout, LAYOUT);
  if (layout < 1)
    throw new StoreError("BROKEN", `store ${path}: expected user_version ${LAYOUT}, found ${layout}`);
};

const versionOf = (database: Database, module: string): number =>
  Number(
    database.prepare("SELECT version FROM store_modules WHERE module = ?").get(module)?.["version"] ?? 0,
  );

const applySteps = (path: string, database: Database, migrations: Migrations): void => {
  const { module, steps } = migrations;
  const version = versionOf(database, module);
  if (version > steps.length) throw newer(path, `the tables of ${module}`, version, steps.length);
  if (version === steps.length) return;
  for (const step of steps.slice(version)) database.exec(step);
  database
    .prepare("INSERT INTO store_modules VALUES (?, ?) ON CONFLICT DO UPDATE SET version = excluded.version")
    .run(module, steps.length);
};

const checkNames = (migrations: readonly Migrations[]): void => {
  const names = migrations.map(({ module }) => module);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new TypeError(`migrations: expected each module once, found ${twice} twice`);
};

/** Brings all tables to the version that this program knows, in one transaction: a store is never left between two versions. */
export const migrate = (path: string, connection: Connection, migrations: readonly Migrations[]): void => {
  checkNames(migrations);
  connection.command("BEGIN IMMEDIATE");
  try {
    connection.write((database) => {
      for (const module of migrations) applySteps(path, database, module);
    });
    connection.command("COMMIT");
  } catch (error) {
    if (connection.inTransaction) connection.command("ROLLBACK");
    throw error;
  }
};
