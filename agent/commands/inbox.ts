// The rows of the command inbox: written by the sync, moved by the service, read again after a restart.
import { asObject, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject, Provenance, TimelineEvent } from "#agent/matrix/types.ts";
import type { Database, Row, Vault } from "#agent/store/store.ts";
import { COMMANDS_KEPT_MAX } from "./limits.ts";
import type { CommandRequest } from "./request.ts";
import { REQUEST_CONTEXT } from "./tables.ts";

export type CommandState = "received" | "asked" | "running" | "succeeded" | "failed" | "refused";

export interface InboxRow {
  readonly eventId: string;
  readonly roomId: string;
  readonly sender: string;
  readonly sentMs: number;
  readonly provenance: Provenance;
  readonly request: CommandRequest;
  /** The device that encrypted it; empty where it is not known, null where it came in clear. */
  readonly deviceId: string | null;
}

const sealRequest = (vault: Vault, request: CommandRequest): Uint8Array =>
  vault.seal(REQUEST_CONTEXT, new TextEncoder().encode(JSON.stringify(request)));

const strings = (value: JsonObject): Record<string, string> =>
  Object.fromEntries(Object.entries(value).map(([key, text]) => [key, String(text)]));

const openRequest = (vault: Vault, sealed: unknown): CommandRequest => {
  if (!(sealed instanceof Uint8Array)) throw new Error("command inbox: a row holds no request");
  const parsed = JSON.parse(new TextDecoder().decode(vault.open(REQUEST_CONTEXT, sealed))) as JsonObject; // we sealed a CommandRequest
  const words = field(parsed, "words");
  return {
    name: asString(field(parsed, "name")) ?? "",
    words: Array.isArray(words) ? words.map(String) : [],
    named: strings(asObject(field(parsed, "named")) ?? {}),
  };
};

/** Writes a command down, once: an event that came before is left as it is. */
export const receive = (
  database: Database,
  vault: Vault,
  { event, opened, provenance }: TimelineEvent,
  request: CommandRequest,
): void => {
  database
    .prepare(
      `INSERT OR IGNORE INTO command (event_id, room_id, sender, sent_ms, provenance, request, device_id, state)
       VALUES (?, ?, ?, ?, ?, ?, ?, 'received')`,
    )
    .run(
      event.eventId,
      event.roomId,
      event.sender,
      event.originServerTs,
      provenance,
      sealRequest(vault, request),
      opened === undefined ? null : (opened.deviceId ?? ""),
    );
};

const PROVENANCES: readonly Provenance[] = ["initial", "live", "gap"];

const toRow = (vault: Vault, row: Row): InboxRow => ({
  eventId: String(row["event_id"]),
  roomId: String(row["room_id"]),
  sender: String(row["sender"]),
  sentMs: Number(row["sent_ms"]),
  provenance: PROVENANCES.find((known) => known === row["provenance"]) ?? "initial",
  request: openRequest(vault, row["request"]),
  deviceId: typeof row["device_id"] === "string" ? row["device_id"] : null,
});

/** The command of a state that was received first, or null. In the server's order, not by the stamps: on some servers a sender chooses his. */
export const oldestIn = (database: Database, vault: Vault, state: CommandState): InboxRow | null => {
  const row = database.prepare("SELECT * FROM command WHERE state = ? ORDER BY rowid LIMIT 1").get(state);
  return row === null ? null : toRow(vault, row);
};

/** The command of an event, in whatever state; null: it was forgotten. */
export const commandOf = (database: Database, vault: Vault, eventId: string): InboxRow | null => {
  const row = database.prepare("SELECT * FROM command WHERE event_id = ?").get(eventId);
  return row === null ? null : toRow(vault, row);
};

export const moveTo = (database: Database, eventId: string, state: CommandState): void => {
  database.prepare("UPDATE command SET state = ? WHERE event_id = ?").run(state, eventId);
};

/** Forgets the finished ones that were received longest ago, beyond the bound. */
export const prune = (database: Database): void => {
  database
    .prepare(
      `DELETE FROM command WHERE rowid <= (SELECT max(rowid) FROM command) - ?
         AND state IN ('succeeded', 'failed', 'refused', 'asked')`,
    )
    .run(COMMANDS_KEPT_MAX);
};
