// Putting room keys into the backup (Client-Server API, PUT /room_keys/keys): every session that is new or better waits in a queue, in the store, until a
// backup that is trusted has it. Whether one is set up or not: a backup that comes later gets all of them.
import { encryptBackedUpSession } from "../../backup.ts";
import type { BackedUpSession } from "../../exported-session.ts";
import { MegolmInboundSession } from "../../megolm/inbound.ts";
import { createPkEncryption } from "../../pk.ts";
import { isJsonObject, type JsonObject, member } from "../../shape.ts";
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import { backOff, clearBackoff, isBackedOff } from "../backoff.ts";
import { addRequest, type Context, requestsUnderWay } from "../context.ts";
import { deviceTrust } from "../devices/trust.ts";
import { findDevice } from "../olm/unwedge.ts";
import { errorCode, isFinal } from "../refusals.ts";
import type { Answer } from "../requests.ts";
import type { InboundRow, RequestRow } from "../store/store.ts";
import { REQUEUE_MAX, UPLOAD_SESSIONS_MAX } from "./limits.ts";
import { backupRow, isTrusted, updateBackup } from "./version.ts";

const PATH = "/_matrix/client/v3/room_keys/keys?version=";
export const TODO = "todo";
export const doneIn = (version: string): string => `done ${version}`;

const itemOf = (roomId: string, sessionId: string): string => JSON.stringify([roomId, sessionId]);

/** A session is new, or begins earlier than before. */
export function markForBackup(context: Context, roomId: string, sessionId: string): void {
  const item = itemOf(roomId, sessionId);
  context.rows.put("backedUp", TODO, item, { firstIndex: null });
  const version = backupRow(context)?.version;
  if (version == null || context.rows.get("backedUp", doneIn(version), item) === null) return;
  context.rows.delete("backedUp", doneIn(version), item);
}

/** The backup has it, from this index on. */
export function markBackedUp(
  context: Context,
  version: string,
  key: { readonly roomId: string; readonly sessionId: string },
  firstIndex: number,
): void {
  const item = itemOf(key.roomId, key.sessionId);
  const row = context.rows.get("inbound", key.roomId, key.sessionId);
  // It may have become better while it was on its way.
  if (row !== null && row.state.earliest.index < firstIndex) return;
  if (context.rows.get("backedUp", TODO, item) !== null) context.rows.delete("backedUp", TODO, item);
  context.rows.put("backedUp", doneIn(version), item, { firstIndex });
}

/** Makes the next upload, if one is due and none is under way. */
export function prepareBackupUpload(context: Context): void {
  const row = backupRow(context);
  if (row?.version == null || row.publicKey === null || row.stale) return;
  if (requestsUnderWay(context, "backup-upload").length > 0) return;
  if (isBackedOff(context, "backup", row.version)) return;
  const [previous] = row.previous;
  if (previous !== undefined) requeue(context, previous, row.previous.slice(1));
  if (!isTrusted(context)) return;
  const waiting = context.rows.list("backedUp", TODO, { after: null, limit: UPLOAD_SESSIONS_MAX });
  if (waiting.length === 0) return;
  const body = {
    rooms: sessionsOf(
      context,
      row.publicKey,
      waiting.map(({ item }) => item),
    ),
  };
  if (Object.keys(body.rooms).length === 0) return;
  const path = PATH + encodeURIComponent(row.version);
  addRequest(context, () => ({ kind: "backup-upload", method: "PUT", path, body }), { version: row.version });
}

/** What a backup had that is not there any more, a part at a time. */
function requeue(context: Context, previous: string, rest: readonly string[]): void {
  const rows = context.rows.list("backedUp", doneIn(previous), { after: null, limit: REQUEUE_MAX });
  for (const { item } of rows) {
    context.rows.delete("backedUp", doneIn(previous), item);
    context.rows.put("backedUp", TODO, item, { firstIndex: null });
  }
  if (rows.length < REQUEUE_MAX) updateBackup(context, { previous: rest });
}

function sessionsOf(context: Context, publicKey: string, items: readonly string[]): JsonObject {
  const encryption = createPkEncryption(context.provider, publicKey);
  const rooms = new Map<string, [string, JsonObject][]>();
  for (const item of items) {
    // The item is our own text: `itemOf`.
    const [roomId, sessionId] = JSON.parse(item) as [string, string];
    const row = context.rows.get("inbound", roomId, sessionId);
    if (row === null) {
      context.rows.delete("backedUp", TODO, item);
      continue;
    }
    const session_data = { ...encryptBackedUpSession(encryption, exportedSession(context, row)) };
    const entry = {
      first_message_index: row.state.earliest.index,
      forwarded_count: row.origin === "forwarded" ? 1 : 0,
      is_verified: isOwnerVerified(context, row),
      session_data,
    };
    rooms.set(roomId, [...(rooms.get(roomId) ?? []), [sessionId, entry]]);
  }
  return Object.fromEntries(
    [...rooms].map(([roomId, sessions]) => [roomId, { sessions: Object.fromEntries(sessions) }]),
  );
}

/** A session as a backup or a key file holds it. Secret. */
export function exportedSession(context: Context, row: InboundRow): BackedUpSession {
  const session = new MegolmInboundSession(context.provider, row.state);
  return {
    algorithm: MEGOLM_ALGORITHM,
    sessionKey: session.exportAt(session.firstKnownIndex),
    senderKey: row.curve25519,
    senderClaimedKeys: { ed25519: row.ed25519 },
    forwardingCurve25519KeyChain: [],
    sharedHistory: row.sharedHistory,
  };
}

function isOwnerVerified(context: Context, row: InboundRow): boolean {
  const device = row.owner === null ? null : findDevice(context, row.owner, row.curve25519);
  return device !== null && deviceTrust(context, device).verified;
}

export function answerBackupUpload(context: Context, { request, detail }: RequestRow, answer: Answer): void {
  const version = detail["version"];
  if (typeof version !== "string") return;
  if (answer.ok) {
    clearBackoff(context, "backup", version);
    for (const [key, firstIndex] of sessionsIn(request.body ?? {}))
      markBackedUp(context, version, key, firstIndex);
    const count = isJsonObject(answer.body) ? member(answer.body, "count") : undefined;
    if (backupRow(context)?.version === version && typeof count === "number")
      updateBackup(context, { count });
    return;
  }
  if (!isFinal(answer)) return;
  const code = errorCode(answer.body);
  // Another backup by now, or none: which one?
  updateBackup(context, { stale: true });
  backOff(context, "backup", version);
  if (code === "M_WRONG_ROOM_KEYS_VERSION" || code === "M_NOT_FOUND") return;
  context.notify({ kind: "backup-refused", error: `${answer.status} ${code}`.trimEnd() });
}

function sessionsIn(
  body: JsonObject,
): readonly (readonly [{ readonly roomId: string; readonly sessionId: string }, number])[] {
  const rooms = member(body, "rooms");
  return Object.entries(isJsonObject(rooms) ? rooms : {}).flatMap(([roomId, room]) => {
    const sessions = isJsonObject(room) ? member(room, "sessions") : undefined;
    return Object.entries(isJsonObject(sessions) ? sessions : {}).map(([sessionId, entry]) => {
      const index = isJsonObject(entry) ? member(entry, "first_message_index") : undefined;
      return [{ roomId, sessionId }, typeof index === "number" ? index : 0] as const;
    });
  });
}
