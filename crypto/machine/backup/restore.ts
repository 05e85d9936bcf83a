// Taking room keys out of the backup: the answer of GET /room_keys/keys read into entries, which are taken a slice at a time, each in a transaction of
// its own. Nothing in a backup proves who made a session (../../backup.ts), and what is known already is never replaced.
import { decryptBackedUpSession, importBackupKey } from "../../backup.ts";
import { CryptoError } from "../../errors.ts";
import type { ExportedSession } from "../../exported-session.ts";
import { isJsonObject, member } from "../../shape.ts";
import type { Context } from "../context.ts";
import { MachineError } from "../errors.ts";
import { BACKUP_SECRET, holdsSecret } from "../secrets/known.ts";
import { importSession } from "./import.ts";
import { exportedSession, markBackedUp } from "./upload.ts";
import { backupRow } from "./version.ts";

/** One session of a backup, unread. */
export interface BackupEntry {
  readonly roomId: string;
  readonly sessionId: string;
  readonly data: unknown;
}

/** How many were new, began earlier, were known as well already; and could not be taken. */
export interface RestoreCounts {
  readonly new: number;
  readonly better: number;
  readonly known: number;
  readonly failed: number;
}

/** Below the homeserver's address: where a backup's sessions are. */
export function backupKeysPath(version: string): string {
  return `/_matrix/client/v3/room_keys/keys?version=${encodeURIComponent(version)}`;
}

/** The sessions of an answer; none where it is no such answer. */
export function readBackup(body: unknown): readonly BackupEntry[] {
  const rooms = isJsonObject(body) ? member(body, "rooms") : undefined;
  return Object.entries(isJsonObject(rooms) ? rooms : {}).flatMap(([roomId, room]) => {
    const sessions = isJsonObject(room) ? member(room, "sessions") : undefined;
    return Object.entries(isJsonObject(sessions) ? sessions : {}).map(([sessionId, entry]) => ({
      roomId,
      sessionId,
      data: isJsonObject(entry) ? member(entry, "session_data") : undefined,
    }));
  });
}

/** Takes some of them. @throws MachineError BACKUP where we do not hold the key of the backup that the server shows */
export function restoreEntries(context: Context, entries: readonly BackupEntry[]): RestoreCounts {
  const version = backupRow(context)?.version ?? null;
  const secret = context.rows.get("secret", "", BACKUP_SECRET)?.secret;
  if (version === null || secret === undefined || !holdsSecret(context, BACKUP_SECRET)) {
    throw new MachineError(
      "BACKUP",
      "encryption machine: the key of the backup is not here; open secret storage with the recovery key first, or verify this device with another one",
    );
  }
  const key = importBackupKey(context.provider, secret);
  const counts = { new: 0, better: 0, known: 0, failed: 0 };
  for (const { roomId, sessionId, data } of entries) {
    try {
      const { session } = decryptBackedUpSession(key, data);
      const imported = importSession(context, { ...session, roomId, sessionId }, { origin: "backup" });
      counts[imported] += 1;
      const row = context.rows.get("inbound", roomId, sessionId);
      if (imported !== "known" && row !== null) {
        markBackedUp(context, version, { roomId, sessionId }, row.state.earliest.index);
      }
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      counts.failed += 1;
    }
  }
  return counts;
}

/** The rooms that there are sessions of. */
export function keyedRooms({ rows }: Context): readonly string[] {
  return rows.list("keyed", "").map(({ item }) => item);
}

/** The sessions of a room for a key file, each from where we can read it. Secret. */
export function exportRoom(context: Context, roomId: string): readonly ExportedSession[] {
  return context.rows.list("inbound", roomId).map(({ item, row }) => ({
    ...exportedSession(context, row),
    roomId,
    sessionId: item,
  }));
}

/** Takes sessions out of a key file. Nothing in it proves who made them. */
export function importSessions(context: Context, sessions: readonly ExportedSession[]): RestoreCounts {
  const counts = { new: 0, better: 0, known: 0, failed: 0 };
  for (const session of sessions) {
    try {
      counts[importSession(context, session, { origin: "file" })] += 1;
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      counts.failed += 1;
    }
  }
  return counts;
}
