// The machine's calls for the key backup.
import { encodeBase64 } from "../../base64.ts";
import { CryptoError } from "../../errors.ts";
import type { ExportedSession } from "../../exported-session.ts";
import { decodeRecoveryKey } from "../../recovery-key.ts";
import type { Context, Run } from "../context.ts";
import { BACKUP_SECRET, holdsSecret, takeSecret } from "../secrets/known.ts";
import {
  type BackupEntry,
  exportRoom,
  importSessions,
  keyedRooms,
  type RestoreCounts,
  restoreEntries,
} from "./restore.ts";
import { doneIn, TODO } from "./upload.ts";
import { backupRow, checkBackup, createBackup, isTrusted } from "./version.ts";

/**
 * - `unknown`: the server has not said yet.
 * - `none`: our user has none.
 * - `unreadable`: there is one of another kind.
 * - `untrusted`: nothing shows that its key is our user's, so nothing is put into it: verify this device, or give the recovery key.
 * - `on`: room keys go into it.
 */
export interface BackupState {
  readonly state: "unknown" | "none" | "unreadable" | "untrusted" | "on";
  readonly version: string | null;
  /** We hold its private key, so it can be restored. */
  readonly holdsKey: boolean;
  /** Sessions that are in it, and that wait to be put into it. */
  readonly saved: number;
  readonly waiting: number;
  /** Sessions in it of all devices, as the server said. */
  readonly count: number | null;
}

export interface BackupCalls {
  backup(): BackupState;
  /** Asks the server which backup there is; answer the request. */
  checkBackup(): void;
  /** Makes one, its key kept here: `saveSecrets` puts it into secret storage. @throws MachineError BACKUP */
  createBackup(options?: { readonly replace?: boolean }): void;
  /** A recovery key that is the backup's own; whether it fits. */
  useBackupKey(recoveryKey: string): boolean;
  /** Takes sessions out of the backup, RESTORE_SLICE of `readBackup`'s at a time. @throws MachineError BACKUP */
  restoreBackup(entries: readonly BackupEntry[]): RestoreCounts;
  /** The rooms that there are sessions of, for `exportRoomKeys`. */
  keyedRooms(): readonly string[];
  /** A room's sessions, for ../../key-export.ts. Secret. */
  exportRoomKeys(roomId: string): readonly ExportedSession[];
  /** Takes sessions out of a key file, RESTORE_SLICE at a time. */
  importRoomKeys(sessions: readonly ExportedSession[]): RestoreCounts;
}

export function backupCalls(run: Run): BackupCalls {
  return {
    backup: () => run(backupState),
    checkBackup: () => run(checkBackup),
    createBackup: (options) => run((context) => createBackup(context, options?.replace ?? false)),
    useBackupKey: (recoveryKey) => run((context) => useBackupKey(context, recoveryKey)),
    restoreBackup: (entries) => run((context) => restoreEntries(context, entries)),
    keyedRooms: () => run(keyedRooms),
    exportRoomKeys: (roomId) => run((context) => exportRoom(context, roomId)),
    importRoomKeys: (sessions) => run((context) => importSessions(context, sessions)),
  };
}

function backupState(context: Context): BackupState {
  const row = backupRow(context);
  const version = row?.version ?? null;
  return {
    state: stateOf(context),
    version,
    holdsKey: version !== null && holdsSecret(context, BACKUP_SECRET),
    saved: version === null ? 0 : context.rows.list("backedUp", doneIn(version)).length,
    waiting: context.rows.list("backedUp", TODO).length,
    count: row?.count ?? null,
  };
}

function stateOf(context: Context): BackupState["state"] {
  const row = backupRow(context);
  if (row === null || (row.stale && row.version === null)) return "unknown";
  if (row.unreadable) return "unreadable";
  if (row.version === null) return "none";
  return isTrusted(context) ? "on" : "untrusted";
}

function useBackupKey(context: Context, recoveryKey: string): boolean {
  try {
    const bytes = decodeRecoveryKey(recoveryKey);
    const secret = encodeBase64(bytes);
    bytes.fill(0);
    return takeSecret(context, BACKUP_SECRET, secret, { confirms: false });
  } catch (error) {
    if (error instanceof CryptoError) return false;
    throw error;
  }
}
