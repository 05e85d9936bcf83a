// Our user's other devices: the only ones that are asked for secrets and keys, and given any.
import type { Context } from "../context.ts";
import { isReachable } from "../olm/claim.ts";
import type { DeviceRow } from "../store/store.ts";
import { deviceTrust, isUserVerified } from "./trust.ts";

/** Those that are verified, under an identity that a person confirmed, and that can be sent to. */
export function verifiedDevices(context: Context): readonly DeviceRow[] {
  if (!isUserVerified(context, context.userId)) return [];
  return context.rows
    .list("device", context.userId)
    .map(({ row }) => row)
    .filter((device) => isReachable(context, device) && !device.dehydrated)
    .filter((device) => deviceTrust(context, device).verified);
}

/** The device that a message came from, if it is one of ours, listed with the very key that the message proves, and verified. */
export function verifiedSender(
  context: Context,
  { device, sender }: { readonly sender: string; readonly device: DeviceRow | null },
): DeviceRow | null {
  if (sender !== context.userId || device === null) return null;
  const known = context.rows.get("device", sender, device.deviceId);
  if (known === null || !known.present || known.curve25519 !== device.curve25519) return null;
  return known.ed25519 === device.ed25519 && deviceTrust(context, known).verified ? known : null;
}
