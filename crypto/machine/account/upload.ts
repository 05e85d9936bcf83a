// Uploading our keys (Client-Server API, POST /keys/upload). The rules that keep a device alive:
//
// - A set of keys is stored, signed, before it is sent, and the very same set is sent until the server has answered. A server refuses another
//   key under an ID that it has seen, some even another signature.
// - One upload at a time. When the server took it, every key in it counts as published.
// - A server that holds other keys under our IDs (a store that was copied or put back) would refuse everything from then on, device keys and
//   fallback keys too. So the counter jumps ahead, the refused keys stay private ones (they may be what the server holds), and an alarm says so.
import { type AccountState, OlmAccount } from "../../olm/account.ts";
import { isJsonObject, type JsonObject, member } from "../../shape.ts";
import { addRequest, type Context, ownAccount, requestsUnderWay, updateAccount } from "../context.ts";
import { updateCrossSigning } from "../cross-signing/upload.ts";
import { KEY_ID_JUMP, UPLOAD_REFUSALS_MAX, UPLOAD_RETRY_MS } from "../limits.ts";
import { errorCode, isFinal } from "../refusals.ts";
import type { Answer } from "../requests.ts";
import type { AccountRow, RequestRow } from "../store/store.ts";
import { heardCount, keysMissing } from "./counts.ts";
import { ownDeviceKeys, SIGNED_CURVE25519, signedKeys } from "./device-keys.ts";
import { fallbackDue, withNewFallback } from "./fallback.ts";

const PATH = "/_matrix/client/v3/keys/upload";
const BAD_REQUEST = 400;

/** Makes the next upload, if one is due and none is under way. */
export function prepareUpload(context: Context): void {
  const row = ownAccount(context);
  if (requestsUnderWay(context, "keys-upload").length > 0 || context.nowMs < row.uploadNotBeforeMs) return;
  const account = new OlmAccount(context.provider, row.account);
  const missing = keysMissing(row) - account.unpublishedOneTimeKeys().length;
  account.generateOneTimeKeys(Math.max(missing, 0));
  const fallback = fallbackDue(row, context.nowMs)
    ? withNewFallback(row, account, context.nowMs)
    : row.fallback;
  const body = uploadBody(row, account);
  if (Object.keys(body).length === 0) return;
  updateAccount(context, { account: account.exportState(), fallback });
  addRequest(context, () => ({ kind: "keys-upload", method: "POST", path: PATH, body }), {});
}

/** Everything that is not published yet; empty when there is nothing. */
function uploadBody(row: AccountRow, account: OlmAccount): JsonObject {
  const state = account.exportState();
  const oneTime = account.unpublishedOneTimeKeys();
  const fallback = account.unpublishedFallbackKey();
  return {
    ...(row.deviceKeysPublished ? {} : { device_keys: ownDeviceKeys({ ...row, account: state }) }),
    ...(oneTime.length > 0 ? { one_time_keys: signedKeys(row, state, oneTime, false) } : {}),
    ...(fallback ? { fallback_keys: signedKeys(row, state, [fallback], true) } : {}),
  };
}

/** The server has logged this device out, and with it dropped its keys: all is uploaded anew under the same device ID. */
export function republish(context: Context): void {
  // Its cross-signature went with it: that is made again as soon as the server shows the device.
  updateCrossSigning(context, { signNotBeforeMs: 0 });
  updateAccount(context, { deviceKeysPublished: false, serverCount: null, uploadNotBeforeMs: 0 });
}

export function answerUpload(context: Context, { request }: RequestRow, answer: Answer): void {
  if (answer.ok) uploadTaken(context, request.body ?? {}, answer.body);
  else if (answer.status === BAD_REQUEST) uploadRefused(context, answer.body);
  else if (isFinal(answer)) putOff(context, `${answer.status} ${errorCode(answer.body)}`);
  // After anything else it is sent again as it is: the server may have taken it, or may take it later.
}

/** The refusal is not about the keys: the next upload brings the same ones, which stay unpublished until then. */
function putOff(context: Context, error: string): void {
  const retryAtMs = context.nowMs + UPLOAD_RETRY_MS;
  context.notify({ kind: "keys-upload-refused", error, retryAtMs });
  updateAccount(context, { uploadNotBeforeMs: retryAtMs });
}

function uploadTaken(context: Context, body: JsonObject, answer: unknown): void {
  const row = ownAccount(context);
  const account = new OlmAccount(context.provider, row.account);
  account.markKeysAsPublished();
  const oneTimeKeys = member(body, "one_time_keys");
  const sent = isJsonObject(oneTimeKeys) ? Object.keys(oneTimeKeys).length : 0;
  const counts = isJsonObject(answer) ? member(answer, "one_time_key_counts") : undefined;
  const count = heardCount(counts) ?? 0;
  // More keys than we sent when the count was said to be none: this server leaves out what did not change.
  const absentMeansZero = row.absentMeansZero && !(row.countWasAbsent && count > sent);
  updateAccount(context, {
    account: account.exportState(),
    // One that was under way when the server forgot us brought one-time keys only.
    deviceKeysPublished: row.deviceKeysPublished || member(body, "device_keys") !== undefined,
    serverCount: isJsonObject(counts) ? count : sent,
    countWasAbsent: false,
    absentMeansZero,
    uploadRefusals: 0,
    uploadNotBeforeMs: 0,
  });
}

/** A 400 stays a 400 however often the same keys are sent; new ones are made, a few times. */
function uploadRefused(context: Context, body: unknown): void {
  const row = ownAccount(context);
  const { certain, error } = readRefusal(body);
  const uploadRefusals = row.uploadRefusals + 1;
  const giveUp = uploadRefusals >= UPLOAD_REFUSALS_MAX;
  const uploadNotBeforeMs = giveUp ? context.nowMs + UPLOAD_RETRY_MS : 0;
  if (giveUp) context.notify({ kind: "keys-upload-refused", error, retryAtMs: uploadNotBeforeMs });
  else context.notify({ kind: "one-time-key-collision", certain, error });
  updateAccount(context, {
    account: jumpAhead(row.account),
    serverCount: row.serverCount ?? 0,
    uploadRefusals: giveUp ? 0 : uploadRefusals,
    uploadNotBeforeMs,
  });
}

/** The refused keys are kept but never sent again; a fallback key is made anew, as its ID may be what collided. */
function jumpAhead(state: AccountState): AccountState {
  const refused = state.fallbackKey !== null && !state.fallbackKey.published;
  return {
    ...state,
    oneTimeKeys: state.oneTimeKeys.map((key) => ({ ...key, published: true })),
    fallbackKey: refused ? null : state.fallbackKey,
    nextKeyId: state.nextKeyId + KEY_ID_JUMP,
  };
}

/** MSC4420's code, Synapse's and others' text; Dendrite says neither. */
function readRefusal(body: unknown): { readonly certain: boolean; readonly error: string } {
  const code = errorCode(body);
  const error = isJsonObject(body) ? member(body, "error") : undefined;
  const duplicate =
    /M_DUPLICATE_ONE_TIME_KEY$/.test(code) ||
    (typeof error === "string" && /one.?time.?key.*already exists/i.test(error));
  // The server's text quotes the keys (public ones) at length; its code and our reading of it are enough.
  return {
    certain: duplicate,
    error: duplicate ? `${SIGNED_CURVE25519} key already exists` : `400 ${code}`,
  };
}
