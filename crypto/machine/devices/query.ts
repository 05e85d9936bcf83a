// Asking for devices and taking them in (Client-Server API, POST /keys/query). The keys of a device are pinned when first seen and never replaced.
import { CryptoError } from "../../errors.ts";
import { isJsonObject, type JsonObject, member } from "../../shape.ts";
import { ownKeys } from "../account/device-keys.ts";
import { backOff, clearBackoff, isBackedOff, serverOf } from "../backoff.ts";
import { addRequest, type Context, ownAccount, requestsUnderWay } from "../context.ts";
import { signShownDevices } from "../cross-signing/sign.ts";
import { noteOwnIdentityShown } from "../cross-signing/upload.ts";
import { DEVICES_PER_USER_MAX, QUERY_SLICE_DEVICES } from "../limits.ts";
import { inBatches, lookupRefused, type Refusal } from "../refusals.ts";
import type { DeviceRow, RequestRow } from "../store/store.ts";
import { parseDeviceKeys } from "./device-keys.ts";
import { receiveIdentity } from "./identity.ts";

const PATH = "/_matrix/client/v3/keys/query";
/** How long the server may wait for other servers. */
const SERVER_TIMEOUT_MS = 10_000;

/** Makes the queries that are due: users with a mark, not asked for already, their server not left alone for now. */
export function prepareQueries(context: Context): void {
  const asked = new Set(requestsUnderWay(context, "keys-query").flatMap(({ detail }) => Object.keys(detail)));
  const due = context.rows
    .list("dirty", "")
    .filter(({ item }) => !asked.has(item) && isAskable(context, item));
  for (const batch of inBatches(context, "query-user", due, ({ item }) => item)) {
    const device_keys = Object.fromEntries(batch.map(({ item }) => [item, []]));
    const sequences = Object.fromEntries(batch.map(({ item, row }) => [item, row.sequence]));
    const body = { device_keys, timeout: SERVER_TIMEOUT_MS };
    addRequest(context, () => ({ kind: "keys-query", method: "POST", path: PATH, body }), sequences);
  }
}

/** Whether the user, or their server, is not left alone for now. */
export function isAskable(context: Context, userId: string): boolean {
  return (
    !isBackedOff(context, "query-server", serverOf(userId)) && !isBackedOff(context, "query-user", userId)
  );
}

export function queryRefused(context: Context, row: RequestRow, refusal: Refusal): void {
  const users = Object.keys(row.detail);
  lookupRefused(context, row, refusal, { kind: "query-user", names: users, users });
}

/** Devices of one user, from one place in the answer's list to another. */
interface Stretch {
  readonly userId: string;
  readonly from: number;
  readonly to: number;
  readonly last: boolean;
}

/** The users that were asked for in parts of at most QUERY_SLICE_DEVICES devices; who has more is in several. Never empty. */
export function queryParts(detail: JsonObject, body: unknown): readonly (readonly Stretch[])[] {
  const users = isJsonObject(body) ? member(body, "device_keys") : undefined;
  const parts: Stretch[][] = [];
  let room = 0;
  for (const userId of Object.keys(detail)) {
    const devices = isJsonObject(users) ? member(users, userId) : undefined;
    const count = Math.min(isJsonObject(devices) ? Object.keys(devices).length : 0, DEVICES_PER_USER_MAX);
    for (let from = 0; from === 0 || from < count; ) {
      // A user without devices is work, too: an identity.
      if (room === 0 || (from === 0 && count > room && count <= QUERY_SLICE_DEVICES)) {
        parts.push([]);
        room = QUERY_SLICE_DEVICES;
      }
      const to = Math.min(count, from + room);
      parts.at(-1)?.push({ userId, from, to, last: to === count });
      room -= Math.max(1, to - from);
      from = Math.max(to, 1);
    }
  }
  return parts.length === 0 ? [[]] : parts;
}

/** Takes one part of a query's answer: of the users that were asked for, and of nobody else. */
export function answerQuery(context: Context, { detail }: RequestRow, body: unknown, part: number): void {
  const answer = isJsonObject(body) ? body : {};
  const devices = member(answer, "device_keys");
  const readable = isJsonObject(devices);
  const failures = member(answer, "failures");
  const failed = new Set(isJsonObject(failures) ? Object.keys(failures) : []);
  const parts = queryParts(detail, body);
  for (const stretch of parts[part] ?? []) {
    const { last, userId } = stretch;
    if (!readable || failed.has(serverOf(userId))) continue;
    receiveUser(context, stretch, answer, member(devices, userId));
    if (!last) continue;
    clearBackoff(context, "query-server", serverOf(userId));
    clearBackoff(context, "query-user", userId);
    // The mark goes last, and only if it is the one that this query answers.
    if (context.rows.get("dirty", "", userId)?.sequence === detail[userId])
      context.rows.delete("dirty", "", userId);
  }
  if (part + 1 < parts.length) return;
  if (!readable) context.notify({ kind: "answer-unreadable", request: "keys-query" });
  for (const server of new Set(Object.keys(detail).map(serverOf)))
    if (!readable || failed.has(server)) backOff(context, "query-server", server);
}

function receiveUser(context: Context, stretch: Stretch, answer: JsonObject, devices: unknown): void {
  const { from, last, userId } = stretch;
  const of = (name: string): unknown => {
    const users = member(answer, name);
    return isJsonObject(users) ? member(users, userId) : undefined;
  };
  if (from === 0) {
    receiveIdentity(context, userId, {
      master: of("master_keys"),
      selfSigning: of("self_signing_keys"),
      userSigning: of("user_signing_keys"),
    });
    if (userId === context.userId && of("master_keys") !== undefined) noteOwnIdentityShown(context);
  }
  if (!isJsonObject(devices)) return;
  const ids = Object.keys(devices).slice(from, stretch.to);
  for (const deviceId of ids) receiveDevice(context, userId, deviceId, member(devices, deviceId));
  if (!last) return;
  forgetAbsent(context, userId, devices);
  if (userId === context.userId) signShownDevices(context, devices);
}

function forgetAbsent(context: Context, userId: string, devices: JsonObject): void {
  for (const { item, row } of context.rows.list("device", userId)) {
    if (!Object.hasOwn(devices, item) && row.present) {
      context.rows.put("device", userId, item, { ...row, present: false });
      forgetGone(context, row);
    }
  }
}

/** What waits for a device that is gone, or leaves it alone, is over. Its pin stays. */
function forgetGone({ rows }: Context, { userId, deviceId }: DeviceRow): void {
  const name = JSON.stringify([userId, deviceId]);
  for (const kind of ["claim-device", "claim-refused"]) rows.delete("backoff", kind, name);
  rows.delete("wedged", userId, deviceId);
  rows.delete("wedged", "", name);
  rows.delete("share", "", name);
}

function receiveDevice(context: Context, userId: string, deviceId: string, value: unknown): void {
  const identity = context.rows.get("identity", "", userId);
  const reject = (reason: string): void =>
    context.notify({ kind: "device-rejected", userId, deviceId, reason });
  // Device IDs and cross-signing keys share one namespace in key IDs (CVE-2022-39250).
  if (identity && [identity.master, identity.selfSigning, identity.userSigning].includes(deviceId)) {
    reject("a device that is named like a cross-signing key");
    return;
  }
  try {
    const found = parseDeviceKeys(
      context.provider,
      value,
      { userId, deviceId },
      identity?.selfSigning ?? null,
    );
    takeDevice(context, found);
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    reject(error.message);
  }
}

/** Keeps a device whose signature holds, unless its ID or its keys are taken. */
function takeDevice(context: Context, found: DeviceRow): void {
  const { userId, deviceId } = found;
  if (!isOursOrForeign(context, found)) return;
  const known = context.rows.get("device", userId, deviceId);
  if (known && (known.ed25519 !== found.ed25519 || known.curve25519 !== found.curve25519)) {
    context.notify({ kind: "device-keys-changed", userId, deviceId });
    return;
  }
  if (known === null || !sameDevice(known, found)) context.rows.put("device", userId, deviceId, found);
}

/** Our own device under its own keys, or a device that has nothing of ours. */
function isOursOrForeign(context: Context, { userId, deviceId, curve25519, ed25519 }: DeviceRow): boolean {
  const own = ownKeys(ownAccount(context));
  if (userId === context.userId && deviceId === context.deviceId) {
    const same = curve25519 === own.curve25519 && ed25519 === own.ed25519;
    if (!same) context.notify({ kind: "own-device-replaced" });
    return same;
  }
  const cloned = curve25519 === own.curve25519 || ed25519 === own.ed25519;
  if (cloned) context.notify({ kind: "device-cloned", userId, deviceId });
  return !cloned;
}

function sameDevice(a: DeviceRow, b: DeviceRow): boolean {
  return (
    a.present === b.present &&
    a.crossSignedBy === b.crossSignedBy &&
    a.crossSignature === b.crossSignature &&
    a.dehydrated === b.dehydrated &&
    a.algorithms.join() === b.algorithms.join()
  );
}
