// A bundle of history that comes (MSC4268). That there is one is remembered; it is fetched only for a room that we joined by that very user's invitation, a day
// ago at most, and only where the device that sent it is cross-signed under an identity that did not change. Nothing in it proves who made a session.
import { CryptoError } from "../../errors.ts";
import { isJsonObject, type JsonObject, member } from "../../shape.ts";
import { importSession } from "../backup/import.ts";
import type { RestoreCounts } from "../backup/restore.ts";
import type { Context } from "../context.ts";
import { trackUsers } from "../devices/tracking.ts";
import { deviceTrust } from "../devices/trust.ts";
import type { OlmPlaintext } from "../olm/check.ts";
import { findDevice } from "../olm/unwedge.ts";
import { keepWithheld } from "../rooms/withheld.ts";
import type { BundleRow } from "../store/sharing-rows.ts";
import { readHistoricKey, readRefusal } from "./bundle.ts";
import { BUNDLE_MS, BUNDLES_MAX, EXPECTED_MAX, EXPECTED_MS, TEXT_CHARS_MAX } from "./limits.ts";

const itemOf = (roomId: string, sender: string): string => JSON.stringify([roomId, sender]);

/** A checked `m.room_key_bundle`. Remembered, whoever sent it: who may is asked when we join. Null, or why not. */
export function receiveBundle(context: Context, message: OlmPlaintext): string | null {
  const { content, curve25519, device, ed25519, sender } = message;
  const [roomId, file] = [member(content, "room_id"), member(content, "file")];
  const url = isJsonObject(file) ? member(file, "url") : undefined;
  if (typeof roomId !== "string" || roomId.length > TEXT_CHARS_MAX || !isJsonObject(file)) {
    return "history bundle: expected a room and a file";
  }
  if (typeof url !== "string" || JSON.stringify(file).length > 4 * TEXT_CHARS_MAX) {
    return "history bundle: expected an encrypted file with an address";
  }
  // MSC4147: without the device's own signed keys in it nobody can say later whose word this was.
  if (device === null) return "history bundle: from a device that nobody knows";
  const { rows } = context;
  const row: BundleRow = { file, curve25519, ed25519, atMs: context.nowMs };
  rows.put("bundle", "", itemOf(roomId, sender), row);
  const known = [...rows.list("bundle", "")].sort((a, b) => a.row.atMs - b.row.atMs);
  for (const { item } of known.slice(0, Math.max(0, known.length - BUNDLES_MAX)))
    rows.delete("bundle", "", item);
  return null;
}

/** We joined a room by this user's invitation. */
export function expectHistory(context: Context, roomId: string, inviter: string): void {
  const { nowMs, rows } = context;
  trackUsers(context, [inviter]);
  rows.put("historyExpected", "", roomId, { inviter, atMs: nowMs });
  const known = [...rows.list("historyExpected", "")].sort((a, b) => a.row.atMs - b.row.atMs);
  for (const { item } of known.slice(0, Math.max(0, known.length - EXPECTED_MAX)))
    rows.delete("historyExpected", "", item);
}

/** A bundle to fetch: `file` is an `EncryptedFile`, unread. It holds a key. */
export interface WantedHistory {
  readonly roomId: string;
  readonly inviter: string;
  readonly file: JsonObject;
}

/** The bundles that are there for rooms that wait for one. What waited too long is forgotten. */
export function wantedHistory(context: Context): readonly WantedHistory[] {
  const { nowMs, rows } = context;
  for (const { item, row } of rows.list("bundle", ""))
    if (Math.abs(nowMs - row.atMs) >= BUNDLE_MS) rows.delete("bundle", "", item);
  return rows.list("historyExpected", "").flatMap(({ item: roomId, row: { atMs, inviter } }) => {
    if (Math.abs(nowMs - atMs) >= EXPECTED_MS) {
      rows.delete("historyExpected", "", roomId);
      return [];
    }
    const bundle = rows.get("bundle", "", itemOf(roomId, inviter));
    return bundle !== null && isTrusted(context, inviter, bundle)
      ? [{ roomId, inviter, file: bundle.file }]
      : [];
  });
}

/** As the server shows the device now: a bundle that came before we knew its sender is judged when we do. */
function isTrusted(context: Context, userId: string, { curve25519, ed25519 }: BundleRow): boolean {
  const device = findDevice(context, userId, curve25519);
  if (device === null || !device.present || device.ed25519 !== ed25519) return false;
  const { crossSigned, identity } = deviceTrust(context, device);
  return crossSigned && (identity === "pinned" || identity === "verified");
}

/** Nothing is waited for any more: it was taken, or cannot be. */
export function historyDone({ rows }: Context, roomId: string): void {
  const row = rows.get("historyExpected", "", roomId);
  if (row === null) return;
  rows.delete("historyExpected", "", roomId);
  rows.delete("bundle", "", itemOf(roomId, row.inviter));
}

/** Takes some sessions of a bundle, BUNDLE_SLICE at a time. `refused`: session IDs that its other list names: in both lists counts as in none. */
export function takeHistory(
  context: Context,
  roomId: string,
  keys: readonly unknown[],
  refused: ReadonlySet<string>,
): RestoreCounts {
  const counts = { new: 0, better: 0, known: 0, failed: 0 };
  const inviter = context.rows.get("historyExpected", "", roomId)?.inviter;
  if (inviter === undefined) return { ...counts, failed: keys.length };
  for (const key of keys) {
    try {
      const session = readHistoricKey(roomId, key);
      if (refused.has(session.sessionId)) {
        counts.failed += 1;
        continue;
      }
      counts[importSession(context, session, { origin: "history", forwardedBy: inviter })] += 1;
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      counts.failed += 1;
    }
  }
  return counts;
}

/** Takes the refusals of a bundle: they explain what cannot be read. */
export function takeRefusals(context: Context, roomId: string, refusals: readonly unknown[]): void {
  if (context.rows.get("historyExpected", "", roomId) === null) return;
  for (const value of refusals) {
    const refusal = readRefusal(roomId, value);
    if (refusal !== null) keepWithheld(context, roomId, refusal.sessionId, refusal);
  }
}
