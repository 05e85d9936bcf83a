// What a bundle of a room's history holds (MSC4268, Client-Server API v1.19 "Sharing keys with new members"): the sessions whose keys may be given to later members,
// and the names of those that may not, each in one list only.
//
//   { "room_keys": [{ algorithm, room_id, sender_claimed_keys, sender_key, session_id, session_key }],
//     "withheld":  [{ algorithm, code, reason, room_id, sender_key, session_id }] }
import { CryptoError } from "../../errors.ts";
import type { ExportedSession } from "../../exported-session.ts";
import { parseBackedUpSession } from "../../exported-session.ts";
import { decodeUtf8, isJsonObject, type JsonObject, member, parseJson, requireObject } from "../../shape.ts";
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import { exportedSession } from "../backup/upload.ts";
import type { Context } from "../context.ts";
import type { InboundRow } from "../store/store.ts";
import { BUNDLE_BYTES_MAX, BUNDLE_SLICE } from "./limits.ts";

const WHAT = "history bundle";
const NOT_SHARED = {
  code: "m.history_not_shared",
  reason: "The sender disabled sharing of the room's history.",
};

/** A part of a bundle that is being made; `after` for the next one, null: that was the last. */
export interface BundlePart {
  readonly roomKeys: readonly JsonObject[];
  readonly withheld: readonly JsonObject[];
  readonly after: string | null;
}

/** The sessions of a room after one of them. Holds keys. */
export function bundlePart(context: Context, roomId: string, after: string | null): BundlePart {
  const entries = context.rows.list("inbound", roomId, { after, limit: BUNDLE_SLICE });
  const shared = entries.filter(({ row }) => row.sharedHistory);
  const kept = entries.filter(({ row }) => !row.sharedHistory);
  return {
    roomKeys: shared.map(({ item, row }) => historicKey(context, roomId, item, row)),
    withheld: kept.map(({ item, row }) => ({
      algorithm: MEGOLM_ALGORITHM,
      room_id: roomId,
      session_id: item,
      sender_key: row.curve25519,
      ...NOT_SHARED,
    })),
    after: entries.length < BUNDLE_SLICE ? null : (entries.at(-1)?.item ?? null),
  };
}

/** `shared_history` is not said: whatever is in here may be shared. */
function historicKey(context: Context, roomId: string, sessionId: string, row: InboundRow): JsonObject {
  const { algorithm, senderClaimedKeys, senderKey, sessionKey } = exportedSession(context, row);
  return {
    algorithm,
    room_id: roomId,
    session_id: sessionId,
    session_key: sessionKey,
    sender_key: senderKey,
    sender_claimed_keys: { ...senderClaimedKeys },
  };
}

/** The whole, to be sealed as an attachment; null where there is nothing to give. */
export function encodeBundle(parts: readonly BundlePart[]): JsonObject | null {
  const room_keys = parts.flatMap(({ roomKeys }) => roomKeys);
  const withheld = parts.flatMap(({ withheld: refused }) => refused);
  return room_keys.length === 0 ? null : { room_keys, withheld };
}

/** What came out of an attachment, as far as it can be read; both lists unchecked. */
export interface ReadBundle {
  readonly roomKeys: readonly unknown[];
  readonly withheld: readonly unknown[];
}

/** @throws CryptoError FORMAT for what is no bundle, or is too large */
export function readBundle(bytes: Uint8Array): ReadBundle {
  if (bytes.length > BUNDLE_BYTES_MAX) {
    throw new CryptoError(
      "FORMAT",
      `${WHAT}: expected at most ${BUNDLE_BYTES_MAX} bytes, found ${bytes.length}`,
    );
  }
  const object = requireObject(parseJson(decodeUtf8(bytes, WHAT), WHAT), WHAT);
  const list = (name: string): readonly unknown[] => {
    const value = member(object, name) ?? [];
    if (!Array.isArray(value)) throw new CryptoError("FORMAT", `${WHAT}.${name}: expected an array`);
    return value;
  };
  return { roomKeys: list("room_keys"), withheld: list("withheld") };
}

/** A session of a bundle. @throws CryptoError FORMAT; PROTOCOL where it is of another room */
export function readHistoricKey(roomId: string, value: unknown): ExportedSession {
  const object = requireObject(value, WHAT);
  if (member(object, "room_id") !== roomId)
    throw new CryptoError("PROTOCOL", `${WHAT}: a key of another room`);
  const sessionId = member(object, "session_id");
  if (typeof sessionId !== "string") throw new CryptoError("FORMAT", `${WHAT}: a key without a session`);
  return { ...parseBackedUpSession(object), roomId, sessionId, sharedHistory: true };
}

/** A refusal of a bundle that names a session of this room; null for anything else. */
export function readRefusal(
  roomId: string,
  value: unknown,
): { readonly sessionId: string; readonly code: string; readonly reason: string } | null {
  if (!isJsonObject(value) || member(value, "room_id") !== roomId) return null;
  const [sessionId, code, reason] = ["session_id", "code", "reason"].map((name) => member(value, name));
  if (typeof sessionId !== "string" || typeof code !== "string") return null;
  return { sessionId, code, reason: typeof reason === "string" ? reason : "" };
}
