// The backup on the server (Client-Server API, "Server-side key backups"): which one there is, whether to trust its key, making one.
//
// Whoever knows the public key writes into a backup, and a server can name any key: ours go only to a key that our identity or a verified device of ours
// signed, or whose private half we hold.
import { describeBackup, importBackupKey, parseBackupVersion } from "../../backup.ts";
import { decodeBase64, encodeBase64 } from "../../base64.ts";
import { CryptoError } from "../../errors.ts";
import { generatePkDecryption } from "../../pk.ts";
import { isJsonObject, type JsonObject, member } from "../../shape.ts";
import { signJson, verifyJson } from "../../signed-json.ts";
import { addRequest, type Context, ownAccount, requestsUnderWay } from "../context.ts";
import { signingKey, signWith } from "../cross-signing/keys.ts";
import { updateCrossSigning } from "../cross-signing/upload.ts";
import { goodSignature } from "../devices/device-keys.ts";
import { deviceTrust, isUserVerified } from "../devices/trust.ts";
import { MachineError } from "../errors.ts";
import { errorCode, isFinal } from "../refusals.ts";
import type { Answer } from "../requests.ts";
import { BACKUP_SECRET, holdsSecret } from "../secrets/known.ts";
import type { BackupRow } from "../store/identity-rows.ts";

const PATH = "/_matrix/client/v3/room_keys/version";
const NOT_FOUND = 404;
/** A key that was made for a backup which the server has not taken yet. */
const MADE = "petrel.backup.made";

const NONE: BackupRow = {
  version: null,
  publicKey: null,
  unreadable: false,
  signed: false,
  count: null,
  stale: false,
  previous: [],
};

export function backupRow({ rows }: Context): BackupRow | null {
  return rows.get("backup", "", "");
}

export function updateBackup(context: Context, changes: Partial<BackupRow>): void {
  context.rows.put("backup", "", "", { ...(backupRow(context) ?? NONE), ...changes });
}

/** The server is asked again which backup there is, and what its signatures are worth by now. */
export function checkBackup(context: Context): void {
  if (requestsUnderWay(context, "backup-version").length > 0) return;
  addRequest(context, () => ({ kind: "backup-version", method: "GET", path: PATH, body: null }), {});
}

/** Asks where it was wished, or where something changed. */
export function prepareVersion(context: Context): void {
  if (backupRow(context)?.stale === true) checkBackup(context);
}

/** The machine follows our user's backup from now on. */
export function followBackup(context: Context): void {
  if (backupRow(context) === null) updateBackup(context, { stale: true });
}

export function answerVersion(context: Context, answer: Answer): void {
  if (answer.ok) takeVersion(context, answer.body);
  else if (answer.status === NOT_FOUND && isFinal(answer)) replaceRow(context, NONE);
  // Refused for another reason: not asked again before somebody does.
  else if (isFinal(answer)) updateBackup(context, { stale: false });
}

function takeVersion(context: Context, body: unknown): void {
  const object = isJsonObject(body) ? body : {};
  const version = member(object, "version");
  if (typeof version !== "string") {
    updateBackup(context, { stale: false });
    context.notify({ kind: "answer-unreadable", request: "backup-version" });
    return;
  }
  const count = member(object, "count");
  const common = { version, count: typeof count === "number" ? count : null, stale: false, previous: [] };
  try {
    const { publicKey, authData } = parseBackupVersion(object);
    const signed = isSignedByUs(context, authData);
    replaceRow(context, { ...common, publicKey, unreadable: false, signed });
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    replaceRow(context, { ...common, publicKey: null, unreadable: true, signed: false });
  }
}

/** What the server says now. Sessions that another version has are saved again in this one. */
function replaceRow(context: Context, next: BackupRow): void {
  const before = backupRow(context);
  const changed = before?.version != null && before.version !== next.version;
  const previous = withVersion(before, changed ? before.version : null);
  context.rows.put("backup", "", "", { ...next, previous });
  if (changed) {
    context.notify({ kind: "backup-changed", version: next.version, trusted: isTrusted(context) });
  }
  if (next.publicKey !== null && !holdsSecret(context, BACKUP_SECRET)) {
    updateCrossSigning(context, { asksForSecrets: true });
  }
}

function withVersion(row: BackupRow | null, version: string | null): readonly string[] {
  const before = row?.previous ?? [];
  return version === null || before.includes(version) ? before : [...before, version];
}

/** Signed by our user's verified identity, or by a verified device of ours. */
function isSignedByUs(context: Context, authData: JsonObject): boolean {
  const { userId, provider } = context;
  const master = context.rows.get("identity", "", userId)?.master;
  if (master === undefined || !isUserVerified(context, userId)) return false;
  if (goodSignature(provider, authData, userId, master) !== null) return true;
  return context.rows.list("device", userId).some(({ row }) => {
    if (!row.present || !deviceTrust(context, row).verified) return false;
    try {
      const key = provider.importEd25519Public(decodeBase64(row.ed25519), "unchecked");
      verifyJson(authData, userId, `ed25519:${row.deviceId}`, key);
      return true;
    } catch (error) {
      if (error instanceof CryptoError) return false;
      throw error;
    }
  });
}

/** Whether room keys may go into the backup that the server shows. */
export function isTrusted(context: Context): boolean {
  const row = backupRow(context);
  if (row?.version == null || row.publicKey === null) return false;
  return row.signed || holdsSecret(context, BACKUP_SECRET);
}

/**
 * Makes a backup with a key of its own. @throws MachineError BACKUP where it is not known that there is none, unless it is to be replaced
 */
export function createBackup(context: Context, replace: boolean): void {
  const row = backupRow(context);
  const known = row !== null && !row.stale;
  if (requestsUnderWay(context, "backup-create").length > 0) return;
  if (!replace && (!known || row.version !== null)) {
    throw new MachineError(
      "BACKUP",
      known
        ? "encryption machine: our user has a key backup already; restore it, or say that it is to be replaced"
        : "encryption machine: it is not known whether our user has a key backup; answer the requests first",
    );
  }
  const key = generatePkDecryption(context.provider);
  const bytes = key.exportSecret();
  context.rows.put("secret", "", MADE, { secret: encodeBase64(bytes) });
  bytes.fill(0);
  const { algorithm, auth_data } = describeBackup(key.publicKey);
  const body = { algorithm, auth_data: signAuthData(context, auth_data) };
  addRequest(context, () => ({ kind: "backup-create", method: "POST", path: PATH, body }), {});
}

function signAuthData(context: Context, authData: JsonObject): JsonObject {
  const { userId, deviceId } = context;
  const device = ownAccount(context).account.signingKey;
  const signed = signJson(authData, userId, `ed25519:${deviceId}`, device);
  const master = signingKey(context, "master");
  return master === null ? signed : signWith(signed, userId, master);
}

export function answerCreate(context: Context, answer: Answer): void {
  const made = context.rows.get("secret", "", MADE);
  if (!answer.ok) {
    if (!isFinal(answer)) return;
    context.rows.delete("secret", "", MADE);
    context.notify({ kind: "backup-refused", error: `${answer.status} ${errorCode(answer.body)}` });
    return;
  }
  const version = isJsonObject(answer.body) ? member(answer.body, "version") : undefined;
  if (typeof version !== "string" || made === null) {
    updateBackup(context, { stale: true });
    return;
  }
  context.rows.delete("secret", "", MADE);
  context.rows.put("secret", "", BACKUP_SECRET, made);
  const { publicKey } = importBackupKey(context.provider, made.secret);
  const before = backupRow(context);
  const previous = withVersion(before, before?.version ?? null);
  context.rows.put("backup", "", "", { ...NONE, version, publicKey, signed: true, count: 0, previous });
}
