// Who gets a room key, by strategy, as data. The default is MSC4153's (specification v1.18): devices that their owner's identity signed, and no others.
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import type { Context } from "../context.ts";
import { type DeviceTrust, deviceTrust, identityStatus } from "../devices/trust.ts";
import { MachineError } from "../errors.ts";
import { isReachable } from "../olm/claim.ts";
import type { DeviceRow } from "../store/store.ts";

/**
 * - `cross-signed`: devices that are cross-signed. Our own identity must be verified and have signed this device.
 * - `verified`: of these only those whose user is verified, too.
 * - `all`: every device, but nothing is shared while a member's identity changed after it had been verified.
 * - `all-unchecked`: every device, whatever happened.
 */
export type SharingStrategy = "cross-signed" | "verified" | "all" | "all-unchecked";

export interface Recipients {
  readonly share: readonly DeviceRow[];
  readonly withhold: readonly DeviceRow[];
}

/** Whether anything may be shared with these members now. @throws MachineError OWN_IDENTITY, IDENTITY_CHANGED */
export function requireShareable(
  context: Context,
  members: readonly string[],
  strategy: SharingStrategy,
): void {
  if (strategy === "cross-signed" || strategy === "verified") requireOwnIdentity(context);
  if (strategy !== "all-unchecked") requireNoViolation(context, members);
}

/** Who of these devices gets the key, and who is told that it does not. */
export function recipientsAmong(
  context: Context,
  devices: readonly DeviceRow[],
  strategy: SharingStrategy,
): Recipients {
  const share: DeviceRow[] = [];
  const withhold: DeviceRow[] = [];
  for (const row of devices) {
    if (!isReachable(context, row) || !row.algorithms.includes(MEGOLM_ALGORITHM)) continue;
    const included = !isBlocked(context, row) && isIncluded(strategy, deviceTrust(context, row));
    (included ? share : withhold).push(row);
  }
  return { share, withhold };
}

/** Somebody said that this device gets no key. */
export function isBlocked({ blockedDevices }: Context, { deviceId, userId }: DeviceRow): boolean {
  return blockedDevices?.get(userId)?.has(deviceId) === true;
}

function isIncluded(strategy: SharingStrategy, trust: DeviceTrust): boolean {
  if (strategy === "cross-signed") return trust.crossSigned;
  return strategy === "verified" ? trust.verified : true;
}

function requireOwnIdentity(context: Context): void {
  const device = context.rows.get("device", context.userId, context.deviceId);
  if (device !== null && deviceTrust(context, device).verified) return;
  throw new MachineError(
    "OWN_IDENTITY",
    "encryption machine: sharing with cross-signed devices needs an own identity that is verified and has signed this device; set up cross-signing first, or choose another strategy",
  );
}

function requireNoViolation(context: Context, members: readonly string[]): void {
  const changed = members.filter((userId) => identityStatus(context, userId) === "violation");
  if (changed.length === 0) return;
  throw new MachineError(
    "IDENTITY_CHANGED",
    `encryption machine: the verified identity of ${changed.slice(0, 5).join(", ")} changed; verify it anew, or acknowledge the change`,
  );
}
