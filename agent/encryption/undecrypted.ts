// Events that cannot be read yet: kept as the server gave them, until their key comes, and told of with the cause.
import type { Provenance, RoomEvent, TimelineEvent } from "#agent/matrix/types.ts";
import type { Database, Row } from "#agent/store/store.ts";
import { UNDECRYPTED_MAX } from "./limits.ts";

export interface Undecrypted {
  readonly entry: TimelineEvent;
  readonly cause: string;
  readonly atMs: number;
}

/** Why, in words, and what would help; by the names of the machine's `causeCode`. */
export const EXPLANATIONS: Readonly<Record<string, string>> = {
  "unknown-session":
    "its key has not come: the sender's client may not share keys with this device, or sends it late",
  "unknown-session.before-joined":
    "it was sent before this account was in the room, and nobody gave it the key",
  "unknown-session.before-device":
    "it was sent before this device was there: only another device, the key backup or a key file has its key",
  "unknown-index": "it was sent before this device was given the key",
  "unknown-index.before-joined": "it was sent before this account was in the room",
  "unknown-index.before-device": "it was sent before this device was there",
  damaged: "it does not decrypt: it was changed on its way, or its sender is at fault",
  "unknown-device": "nobody knows the device that sent it yet: its keys are being asked for",
  "withheld.m.unverified":
    "the sender's client shares keys with verified devices only: verify this device there",
  "withheld.m.blacklisted": "the sender blocked this device",
  "withheld.m.unauthorised": "the sender's client says that this device may not have the key",
  "withheld.m.unavailable": "the device that was asked for its key does not have it",
  "withheld.m.no_olm": "the sender could not set up a secure channel to this device; a new one is being made",
  "withheld.m.history_not_shared":
    "it was sent before this account was invited, when the room's history was not for later members",
};

export const explain = (cause: string): string =>
  EXPLANATIONS[cause] ?? "the sender withholds its key, for a reason that is not one of the specification's";

const sessionOf = ({ content }: RoomEvent): string => {
  const sessionId = content["session_id"];
  return typeof sessionId === "string" ? sessionId : "";
};

export const keepUndecrypted = (database: Database, { entry, cause, atMs }: Undecrypted): void => {
  const { event, provenance } = entry;
  database
    .prepare(
      `INSERT OR IGNORE INTO undecrypted (room_id, event_id, session_id, cause, provenance, event, at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      event.roomId,
      event.eventId,
      sessionOf(event),
      cause,
      provenance,
      JSON.stringify(event),
      Math.round(atMs),
    );
  database
    .prepare("DELETE FROM undecrypted WHERE id NOT IN (SELECT id FROM undecrypted ORDER BY id DESC LIMIT ?)")
    .run(UNDECRYPTED_MAX);
};

const PROVENANCES: readonly Provenance[] = ["initial", "live", "gap"];

const toUndecrypted = (row: Row): Undecrypted => ({
  entry: {
    event: JSON.parse(String(row["event"])) as RoomEvent, // `keepUndecrypted` wrote one
    provenance: PROVENANCES.find((known) => known === row["provenance"]) ?? "initial",
  },
  cause: String(row["cause"]),
  atMs: Number(row["at_ms"]),
});

export const ofSession = (database: Database, roomId: string, sessionId: string): readonly Undecrypted[] =>
  database
    .prepare("SELECT * FROM undecrypted WHERE room_id = ? AND session_id = ? ORDER BY id")
    .all(roomId, sessionId)
    .map(toUndecrypted);

export const ofCause = (database: Database, cause: string): readonly Undecrypted[] =>
  database.prepare("SELECT * FROM undecrypted WHERE cause = ? ORDER BY id").all(cause).map(toUndecrypted);

/** The sessions that something waits for. */
export const keptSessions = (
  database: Database,
): readonly { readonly roomId: string; readonly sessionId: string }[] =>
  database
    .prepare("SELECT DISTINCT room_id, session_id FROM undecrypted")
    .all()
    .map((row) => ({ roomId: String(row["room_id"]), sessionId: String(row["session_id"]) }));

/** It cannot be read for another reason now. */
export const nameCause = (database: Database, eventId: string, cause: string): void => {
  database.prepare("UPDATE undecrypted SET cause = ? WHERE event_id = ?").run(cause, eventId);
};

export const forgetUndecrypted = (database: Database, eventId: string): void => {
  database.prepare("DELETE FROM undecrypted WHERE event_id = ?").run(eventId);
};

/** By cause, how many wait. */
export const countUndecrypted = (database: Database): Readonly<Record<string, number>> =>
  Object.fromEntries(
    database
      .prepare("SELECT cause, count(*) AS n FROM undecrypted GROUP BY cause ORDER BY cause")
      .all()
      .map((row) => [String(row["cause"]), Number(row["n"])]),
  );
