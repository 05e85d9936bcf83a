// Beginning sessions (Client-Server API, POST /keys/claim): a one-time key counts only if the device's pinned key signed it.
import { decodeBase64 } from "../../base64.ts";
import { CryptoError } from "../../errors.ts";
import { OlmAccount } from "../../olm/account.ts";
import { isJsonObject, type JsonObject, member, requireObject, stringMember } from "../../shape.ts";
import { verifyJson } from "../../signed-json.ts";
import { OLM_ALGORITHM, SIGNED_CURVE25519 } from "../account/device-keys.ts";
import { backOff, clearBackoff, isBackedOff, serverOf } from "../backoff.ts";
import { addRequest, type Context, ownAccount, requestsUnderWay } from "../context.ts";
import { CLAIM_SLICE_DEVICES } from "../limits.ts";
import { inBatches, lookupRefused, type Refusal } from "../refusals.ts";
import type { DeviceRow, RequestRow } from "../store/store.ts";
import { hasOlmSession, keepOlmSession } from "./sessions.ts";
import { isUnwedging, unwedged } from "./unwedge.ts";

const PATH = "/_matrix/client/v3/keys/claim";
/** How long the server may wait for other servers (matrix-sdk-crypto: 10 s). */
const SERVER_TIMEOUT_MS = 10_000;

/** Whether it can be sent to: not ourselves, speaks Olm, sends and receives itself. */
export function isReachable({ userId, deviceId }: Context, device: DeviceRow): boolean {
  const own = device.userId === userId && device.deviceId === deviceId;
  return !own && device.present && device.algorithms.includes(OLM_ALGORITHM);
}

/**
 * Claims a key for each of these devices that needs one: no session, or a broken one. Those under way, or left alone for now, are not claimed again.
 * Returns how many claims of these devices are under way.
 */
export function claimFor(context: Context, devices: readonly DeviceRow[]): number {
  const needed = devices.filter(
    (device) =>
      isReachable(context, device) &&
      (!hasOlmSession(context, device.curve25519) || isUnwedging(context, device)) &&
      !isBackedOff(context, "claim-server", serverOf(device.userId)) &&
      !isBackedOff(context, "claim-device", nameOf(device)) &&
      !isBackedOff(context, "claim-refused", nameOf(device)),
  );
  const claimed = new Set(
    requestsUnderWay(context, "keys-claim").flatMap(({ detail }) => claimedDevices(detail).map(nameOf)),
  );
  const fresh = needed.filter((device) => !claimed.has(nameOf(device)));
  for (const batch of inBatches(context, "claim-refused", fresh, nameOf)) addClaim(context, batch);
  return needed.length;
}

type DeviceId = Pick<DeviceRow, "userId" | "deviceId">;

const nameOf = ({ userId, deviceId }: DeviceId): string => JSON.stringify([userId, deviceId]);

function addClaim(context: Context, devices: readonly DeviceRow[]): void {
  const users = new Map<string, [string, string][]>();
  for (const { userId, deviceId } of devices) {
    users.set(userId, [...(users.get(userId) ?? []), [deviceId, SIGNED_CURVE25519]]);
  }
  const one_time_keys = Object.fromEntries(
    [...users].map(([user, keys]) => [user, Object.fromEntries(keys)]),
  );
  const body = { one_time_keys, timeout: SERVER_TIMEOUT_MS };
  addRequest(context, () => ({ kind: "keys-claim", method: "POST", path: PATH, body }), one_time_keys);
}

/** The devices of a claim, out of what was asked. */
function claimedDevices(detail: JsonObject): readonly DeviceId[] {
  return Object.entries(detail).flatMap(([userId, devices]) =>
    isJsonObject(devices) ? Object.keys(devices).map((deviceId) => ({ userId, deviceId })) : [],
  );
}

export function claimRefused(context: Context, row: RequestRow, refusal: Refusal): void {
  const names = claimedDevices(row.detail).map(nameOf);
  const users = Object.keys(row.detail);
  lookupRefused(context, row, refusal, { kind: "claim-refused", names, users });
}

/** In how many parts a claim's answer is taken. */
export function claimParts(detail: JsonObject): number {
  return Math.max(1, Math.ceil(claimedDevices(detail).length / CLAIM_SLICE_DEVICES));
}

/**
 * Takes one part of the keys of the devices that were asked for. A device without one is left alone for a while, unless it was its server that failed.
 * One that has a session that works by now keeps it: somebody died between two parts, and the claim was made again.
 */
export function answerClaim(context: Context, { detail }: RequestRow, body: unknown, part: number): void {
  const answer = isJsonObject(body) ? body : {};
  const failures = member(answer, "failures");
  const failed = new Set(isJsonObject(failures) ? Object.keys(failures) : []);
  const users = member(answer, "one_time_keys");
  const all = claimedDevices(detail);
  const from = part * CLAIM_SLICE_DEVICES;
  for (const id of all.slice(from, from + CLAIM_SLICE_DEVICES)) {
    if (isServed(context, id)) continue;
    if (takeKey(context, id, users)) reached(context, id);
    else if (!failed.has(serverOf(id.userId))) backOff(context, "claim-device", nameOf(id));
  }
  if (from + CLAIM_SLICE_DEVICES < all.length) return;
  const without = all.filter((id) => !isServed(context, id));
  for (const server of new Set(without.map(({ userId }) => serverOf(userId))))
    if (failed.has(server)) backOff(context, "claim-server", server);
}

/** Whether there is a session with it now. */
function takeKey(context: Context, { userId, deviceId }: DeviceId, users: unknown): boolean {
  const device = context.rows.get("device", userId, deviceId);
  const devices = isJsonObject(users) ? member(users, userId) : undefined;
  const keys = isJsonObject(devices) ? member(devices, deviceId) : undefined;
  return device !== null && isJsonObject(keys) && beginSession(context, device, keys);
}

function reached(context: Context, id: DeviceId): void {
  clearBackoff(context, "claim-server", serverOf(id.userId));
  clearBackoff(context, "claim-device", nameOf(id));
  clearBackoff(context, "claim-refused", nameOf(id));
}

function isServed(context: Context, { userId, deviceId }: DeviceId): boolean {
  const device = context.rows.get("device", userId, deviceId);
  return device !== null && hasOlmSession(context, device.curve25519) && !isUnwedging(context, device);
}

/** A session from the key that was given; false where there is none that holds. */
function beginSession(context: Context, device: DeviceRow, keys: JsonObject): boolean {
  const [keyId] = Object.keys(keys).filter((id) => id.startsWith(`${SIGNED_CURVE25519}:`));
  if (keyId === undefined) return false;
  try {
    const signed = requireObject(member(keys, keyId), "one-time key");
    const key = context.provider.importEd25519Public(decodeBase64(device.ed25519), "unchecked");
    verifyJson(signed, device.userId, `ed25519:${device.deviceId}`, key);
    const account = new OlmAccount(context.provider, ownAccount(context).account);
    const session = account.createOutboundSession(
      device.curve25519,
      stringMember(signed, "key", "one-time key"),
    );
    keepOlmSession(context, device.curve25519, session, { createdAtMs: context.nowMs, receivedAtMs: null });
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    const { userId, deviceId } = device;
    context.notify({ kind: "one-time-key-rejected", userId, deviceId, reason: error.message });
    return false;
  }
  unwedged(context, device);
  return true;
}
