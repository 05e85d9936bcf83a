// Recovering broken sessions (Client-Server API, "Recovering from undecryptable messages"): a new session, and an m.dummy in it so that the peer
// uses it. At most once an hour per device, or two broken stores would eat each other's one-time keys.
import { type Context, nextNumber } from "../context.ts";
import { UNWEDGE_EVERY_MS } from "../limits.ts";
import type { DeviceRow } from "../store/store.ts";
import { ENCRYPTED, encryptForDevice, queueToDevice } from "./encrypt.ts";

/** Something from the device that owns this key could not be read. Devices that are not known cannot be answered. */
export function markWedged(context: Context, userId: string, curve25519: string): void {
  const device = findDevice(context, userId, curve25519);
  if (device === null) return;
  const { deviceId } = device;
  const row = context.rows.get("wedged", userId, deviceId);
  const lastMs = row?.unwedgedAtMs ?? null;
  const sinceMs = lastMs === null ? null : context.nowMs - lastMs;
  if (row?.wanted || (sinceMs !== null && sinceMs >= 0 && sinceMs < UNWEDGE_EVERY_MS)) return;
  context.rows.put("wedged", userId, deviceId, {
    wanted: true,
    unwedgedAtMs: lastMs,
    times: row?.times ?? 0,
  });
  context.rows.put("wedged", "", JSON.stringify([userId, deviceId]), {
    wanted: true,
    unwedgedAtMs: null,
    times: 0,
  });
}

export function isUnwedging(context: Context, { userId, deviceId }: DeviceRow): boolean {
  return context.rows.get("wedged", userId, deviceId)?.wanted === true;
}

/** Grows with each session with the device that was replaced. */
export function wedgedTimes(context: Context, { userId, deviceId }: DeviceRow): number {
  return context.rows.get("wedged", userId, deviceId)?.times ?? 0;
}

/** The devices that want a new session. */
export function wedgedDevices(context: Context): readonly DeviceRow[] {
  return context.rows.list("wedged", "").flatMap(({ item }) => {
    // The item is our own text: a pair of strings.
    const [userId, deviceId] = JSON.parse(item) as [string, string];
    return context.rows.get("device", userId, deviceId) ?? [];
  });
}

/** A new session was made: if it was for a broken one, the peer is told by using it. */
export function unwedged(context: Context, device: DeviceRow): void {
  const { userId, deviceId } = device;
  const row = context.rows.get("wedged", userId, deviceId);
  if (!row?.wanted) return;
  // One count for all devices: a device that is forgotten and comes back never has a number that it had.
  const times = nextNumber(context, "unwedged");
  context.rows.put("wedged", userId, deviceId, { wanted: false, unwedgedAtMs: context.nowMs, times });
  context.rows.delete("wedged", "", JSON.stringify([userId, deviceId]));
  const content = encryptForDevice(context, device, "m.dummy", {});
  if (content !== null) queueToDevice(context, ENCRYPTED, [{ userId, deviceId, content }], {});
}

/** The device of a user that owns a Curve25519 key, present or not. */
export function findDevice(context: Context, userId: string, curve25519: string): DeviceRow | null {
  const found = context.rows.list("device", userId).find(({ row }) => row.curve25519 === curve25519);
  return found?.row ?? null;
}
