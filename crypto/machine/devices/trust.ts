// How far a device and its user are trusted, computed from the rows each time: never stored, so it cannot be out of date.
//
//   own identity verified   <- a person confirmed its master key, or the configuration pins it; never because the server shows it (GHSA-4qg4-cvh2-crgg)
//   other identity verified <- own identity verified, and its user-signing key signed theirs; or the configuration pins it
//   device cross-signed     <- the user's present self-signing key signed it
//   device verified         <- cross-signed, and the identity verified
import type { Context } from "../context.ts";
import { MachineError } from "../errors.ts";
import type { DeviceRow } from "../store/store.ts";

/**
 * - `none`: no cross-signing keys are known.
 * - `pinned`: those that we saw first.
 * - `changed`: others than we saw first, not acknowledged.
 * - `verified`.
 * - `violation`: it was verified, then changed, and is not verified now.
 */
export type IdentityStatus = "none" | "pinned" | "changed" | "verified" | "violation";

export interface DeviceTrust {
  readonly crossSigned: boolean;
  readonly verified: boolean;
  readonly identity: IdentityStatus;
}

export function isUserVerified(context: Context, userId: string): boolean {
  const identity = context.rows.get("identity", "", userId);
  if (identity === null) return false;
  if (context.trustedMasters?.get(userId) === identity.master) return true;
  if (userId === context.userId) return identity.confirmed === identity.master;
  const ours = context.rows.get("identity", "", context.userId);
  if (ours?.userSigning == null || identity.signedBy !== ours.userSigning) return false;
  return isUserVerified(context, context.userId);
}

export function identityStatus(context: Context, userId: string): IdentityStatus {
  const identity = context.rows.get("identity", "", userId);
  if (identity === null) return "none";
  if (isUserVerified(context, userId)) return "verified";
  if (identity.previouslyVerified) return "violation";
  return identity.master === identity.pinned ? "pinned" : "changed";
}

export function deviceTrust(context: Context, device: DeviceRow): DeviceTrust {
  const identity = context.rows.get("identity", "", device.userId);
  const crossSigned = identity?.selfSigning != null && identity.selfSigning === device.crossSignedBy;
  const status = identityStatus(context, device.userId);
  return { crossSigned, verified: crossSigned && status === "verified", identity: status };
}

/** Takes the identity that is there now for the user's own, as if it had been seen first. @throws MachineError UNKNOWN_USER */
export function acknowledgeIdentity(context: Context, userId: string): void {
  const identity = context.rows.get("identity", "", userId);
  if (identity === null) throw noIdentity(userId);
  context.rows.put("identity", "", userId, {
    ...identity,
    pinned: identity.master,
    previouslyVerified: false,
  });
}

/**
 * A person, or a verification, confirmed that this master key is our own user's.
 * @throws MachineError UNKNOWN_USER; IDENTITY_CHANGED when the server shows another key by now
 */
export function confirmOwnIdentity(context: Context, master: string): void {
  const identity = context.rows.get("identity", "", context.userId);
  if (identity === null) throw noIdentity(context.userId);
  if (identity.master !== master) {
    throw new MachineError(
      "IDENTITY_CHANGED",
      "encryption machine: the server shows another master key for us than the one confirmed; compare them again",
    );
  }
  context.rows.put("identity", "", context.userId, {
    ...identity,
    pinned: master,
    confirmed: master,
    previouslyVerified: false,
  });
}

function noIdentity(userId: string): MachineError {
  return new MachineError(
    "UNKNOWN_USER",
    `encryption machine: no cross-signing keys of ${userId} are known; track the user and answer its query first`,
  );
}
