// Signatures with our cross-signing keys (Client-Server API, POST /keys/signatures/upload): on our own device as soon as the key is there, on others
// once they were confirmed. What is signed is the key that was confirmed, as the server shows it now, or nothing.
import { isJsonObject, type JsonObject, member } from "../../shape.ts";
import { signatureOf } from "../../signed-json.ts";
import { ownDeviceKeys } from "../account/device-keys.ts";
import { addRequest, type Context, ownAccount, requestsUnderWay } from "../context.ts";
import { markDirty } from "../devices/tracking.ts";
import { SIGN_AGAIN_MS } from "../limits.ts";
import { errorCode, isFinal } from "../refusals.ts";
import type { Answer } from "../requests.ts";
import type { RequestRow } from "../store/store.ts";
import { keyObject, publicKeyOf, signingKey, signWith } from "./keys.ts";
import { crossSigningRow, errorText, updateCrossSigning } from "./upload.ts";

const PATH = "/_matrix/client/v3/keys/signatures/upload";

/** A signed object, by user ID, then by device ID or public key: as it is uploaded. */
type Signed = readonly [userId: string, id: string, object: JsonObject];

const itemOf = (userId: string, deviceId: string | null): string => JSON.stringify([userId, deviceId]);

/** Wants our signature on a key that was confirmed. `deviceId` null: a user's master key; else a device of ours. */
export function wantSignature(
  context: Context,
  userId: string,
  deviceId: string | null,
  ed25519: string,
): void {
  context.rows.put("signature", "", itemOf(userId, deviceId), { ed25519 });
  // A device is signed as the server shows it: ask.
  if (deviceId !== null) markDirty(context, userId);
}

/** Makes the upload of signatures that is due, if one is. */
export function prepareSignatures(context: Context): void {
  if (requestsUnderWay(context, "signatures-upload").length > 0) return;
  const signed = [...signOwnDevice(context), ...signMasters(context)];
  if (signed.length > 0) addUpload(context, signed);
}

function signOwnDevice(context: Context): readonly Signed[] {
  const { rows, userId, deviceId } = context;
  const [device, identity] = [rows.get("device", userId, deviceId), rows.get("identity", "", userId)];
  if (device === null || identity === null || !device.present) return [];
  if (identity.selfSigning === null || device.crossSignedBy === identity.selfSigning) return [];
  const waitMs = crossSigningRow(context).signNotBeforeMs - context.nowMs;
  // A clock that was put back must not lengthen a wait.
  if (waitMs > 0 && waitMs <= SIGN_AGAIN_MS) return [];
  const key = signingKey(context, "self_signing");
  return key === null ? [] : [[userId, deviceId, signWith(ownDeviceKeys(ownAccount(context)), userId, key)]];
}

function signMasters(context: Context): readonly Signed[] {
  const wanted = wantedSignatures(context).filter(({ deviceId }) => deviceId === null);
  const key = wanted.length === 0 ? null : signingKey(context, "user_signing");
  if (key === null) return [];
  return wanted.flatMap(({ userId, ed25519, item }): readonly Signed[] => {
    const identity = context.rows.get("identity", "", userId);
    if (identity?.master === ed25519 && identity.signedBy !== publicKeyOf(key)) {
      return [[userId, ed25519, signWith(keyObject(userId, "master", ed25519), context.userId, key)]];
    }
    // Done already, or another key by now, which nobody confirmed.
    context.rows.delete("signature", "", item);
    return [];
  });
}

/** Devices of ours in an answer of /keys/query: those that were confirmed are signed as they are shown. Their own signatures were checked. */
export function signShownDevices(context: Context, devices: JsonObject): void {
  const wanted = wantedSignatures(context).filter(
    ({ userId, deviceId }) => userId === context.userId && deviceId !== null,
  );
  const key = wanted.length === 0 ? null : signingKey(context, "self_signing");
  if (key === null) return;
  const signed = wanted.flatMap(({ userId, deviceId, ed25519, item }): readonly Signed[] => {
    const known = deviceId === null ? null : context.rows.get("device", userId, deviceId);
    const object = deviceId === null ? undefined : member(devices, deviceId);
    if (deviceId === null || !known?.present || known.ed25519 !== ed25519 || !isJsonObject(object)) return [];
    context.rows.delete("signature", "", item);
    if (known.crossSignedBy === publicKeyOf(key)) return [];
    const { unsigned: _, signatures, ...rest } = object;
    const own = isJsonObject(signatures) ? { [userId]: member(signatures, userId) } : {};
    return [[userId, deviceId, signWith({ ...rest, signatures: own }, userId, key)]];
  });
  if (signed.length > 0) addUpload(context, signed);
}

interface Wanted {
  readonly item: string;
  readonly userId: string;
  readonly deviceId: string | null;
  readonly ed25519: string;
}

function wantedSignatures({ rows }: Context): readonly Wanted[] {
  return rows.list("signature", "").map(({ item, row }) => {
    // The item is our own text: `itemOf`.
    const [userId, deviceId] = JSON.parse(item) as [string, string | null];
    return { item, userId, deviceId, ed25519: row.ed25519 };
  });
}

function addUpload(context: Context, signed: readonly Signed[]): void {
  const body: { [userId: string]: { [id: string]: JsonObject } } = {};
  for (const [userId, id, object] of signed) body[userId] = { ...body[userId], [id]: object };
  addRequest(context, () => ({ kind: "signatures-upload", method: "POST", path: PATH, body }), {});
}

export function answerSignatures(context: Context, { request }: RequestRow, answer: Answer): void {
  if (!answer.ok && !isFinal(answer)) return;
  const failures = answer.ok && isJsonObject(answer.body) ? member(answer.body, "failures") : undefined;
  for (const [userId, id, object] of signaturesIn(request.body ?? {})) {
    const of = isJsonObject(failures) ? member(failures, userId) : undefined;
    const failure = isJsonObject(of) ? member(of, id) : undefined;
    if (answer.ok && failure === undefined) signatureTaken(context, userId, id, object);
    else signatureRefused(context, userId, id, answer.ok ? errorCode(failure) : errorText(answer));
  }
}

function signaturesIn(body: JsonObject): readonly Signed[] {
  return Object.entries(body).flatMap(([userId, objects]) =>
    isJsonObject(objects)
      ? Object.entries(objects).flatMap(([id, object]): readonly Signed[] =>
          isJsonObject(object) ? [[userId, id, object]] : [],
        )
      : [],
  );
}

function signatureTaken(context: Context, userId: string, id: string, object: JsonObject): void {
  const { rows } = context;
  rows.delete("signature", "", itemOf(userId, userId === context.userId ? id : null));
  const by = (publicKey: string | null | undefined): string | null =>
    publicKey ? signatureOf(object, context.userId, `ed25519:${publicKey}`) : null;
  const ours = rows.get("identity", "", context.userId);
  const device = rows.get("device", userId, id);
  if (userId === context.userId && device !== null) {
    const crossSignature = by(ours?.selfSigning);
    if (crossSignature === null) return;
    rows.put("device", userId, id, { ...device, crossSignedBy: ours?.selfSigning ?? null, crossSignature });
    // Not again soon, should the server forget it.
    if (id === context.deviceId) {
      updateCrossSigning(context, { signNotBeforeMs: context.nowMs + SIGN_AGAIN_MS });
    }
    return;
  }
  const identity = rows.get("identity", "", userId);
  if (identity?.master === id && by(ours?.userSigning) !== null) {
    rows.put("identity", "", userId, { ...identity, signedBy: ours?.userSigning ?? null });
  }
}

function signatureRefused(context: Context, userId: string, id: string, error: string): void {
  const deviceId = userId === context.userId ? id : null;
  context.rows.delete("signature", "", itemOf(userId, deviceId));
  if (deviceId === context.deviceId) {
    updateCrossSigning(context, { signNotBeforeMs: context.nowMs + SIGN_AGAIN_MS });
  }
  context.notify({ kind: "signature-refused", userId, deviceId, error });
}
