// The alarms' tables: what state each is in, and what is to be told once the rooms are known. Contents are sealed like the readings that they repeat.
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Database, Migrations, Row, Vault } from "#agent/store/store.ts";
import { NEWS_MAX } from "./limits.ts";
import { type AlarmState, NEVER } from "./state.ts";

export const alarmsMigrations: Migrations = {
  module: "alarms",
  steps: [
    `CREATE TABLE alarm (
       key TEXT PRIMARY KEY,         -- AlarmRule.key
       name TEXT NOT NULL,           -- of the reading
       state BLOB NOT NULL           -- sealed JSON: AlarmState
     ) STRICT;
     CREATE TABLE alarm_news (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       audience TEXT NOT NULL,       -- data, people
       alarm_id TEXT NOT NULL,
       answers INTEGER NOT NULL,     -- 1: shown as an answer to the message that told of the raised alarm
       content BLOB NOT NULL         -- sealed JSON
     ) STRICT;`,
  ],
};

const STATE_CONTEXT = "alarm/state";
const NEWS_CONTEXT = "alarm_news/content";

const seal = (vault: Vault, context: string, value: object): Uint8Array =>
  vault.seal(context, new TextEncoder().encode(JSON.stringify(value)));

const opened = (vault: Vault, context: string, sealed: unknown): unknown => {
  if (!(sealed instanceof Uint8Array)) throw new Error("alarms: a row holds no content");
  return JSON.parse(new TextDecoder().decode(vault.open(context, sealed)));
};

export interface StoredAlarm {
  readonly key: string;
  readonly name: string;
  readonly state: AlarmState;
}

const toAlarm = (vault: Vault, row: Row): StoredAlarm => ({
  key: String(row["key"]),
  name: String(row["name"]),
  state: opened(vault, STATE_CONTEXT, row["state"]) as AlarmState, // we sealed an AlarmState
});

export const loadAlarm = (database: Database, vault: Vault, key: string): AlarmState => {
  const row = database.prepare("SELECT * FROM alarm WHERE key = ?").get(key);
  return row === null ? NEVER : toAlarm(vault, row).state;
};

export const loadAlarms = (database: Database, vault: Vault): StoredAlarm[] =>
  database
    .prepare("SELECT * FROM alarm ORDER BY key")
    .all()
    .map((row) => toAlarm(vault, row));

export const saveAlarm = (database: Database, vault: Vault, { key, name, state }: StoredAlarm): void => {
  database
    .prepare("INSERT OR REPLACE INTO alarm (key, name, state) VALUES (?, ?, ?)")
    .run(key, name, seal(vault, STATE_CONTEXT, state));
};

export const forgetAlarm = (database: Database, key: string): void => {
  database.prepare("DELETE FROM alarm WHERE key = ?").run(key);
};

export type Audience = "people" | "data";

export interface NewsItem {
  readonly audience: Audience;
  readonly alarmId: string;
  /** Shown as an answer to the message that told of the raised alarm. */
  readonly answers: boolean;
  readonly content: JsonObject;
}

export const addNews = (database: Database, vault: Vault, item: NewsItem): void => {
  database
    .prepare("INSERT INTO alarm_news (audience, alarm_id, answers, content) VALUES (?, ?, ?, ?)")
    .run(item.audience, item.alarmId, item.answers ? 1 : 0, seal(vault, NEWS_CONTEXT, item.content));
  database.prepare("DELETE FROM alarm_news WHERE id <= (SELECT max(id) FROM alarm_news) - ?").run(NEWS_MAX);
};

export const allNews = (database: Database, vault: Vault): (NewsItem & { readonly id: number })[] =>
  database
    .prepare("SELECT * FROM alarm_news ORDER BY id")
    .all()
    .map((row) => ({
      id: Number(row["id"]),
      audience: row["audience"] === "data" ? "data" : "people",
      alarmId: String(row["alarm_id"]),
      answers: row["answers"] === 1,
      content: opened(vault, NEWS_CONTEXT, row["content"]) as JsonObject, // we sealed a JsonObject
    }));

export const removeNews = (database: Database, id: number): void => {
  database.prepare("DELETE FROM alarm_news WHERE id = ?").run(id);
};
