// Giving a room's history to somebody who is invited (MSC4268): where the sealed bundle is, over Olm, to their cross-signed devices and no others (CVE-2024-47080:
// the keys of a whole room must not go to a device that a server made up).
import type { JsonObject } from "../../shape.ts";
import type { Context } from "../context.ts";
import { isAskable } from "../devices/query.ts";
import { trackUsers } from "../devices/tracking.ts";
import { claimFor } from "../olm/claim.ts";
import { ENCRYPTED, encryptForDevice, queueToDevice, type ToDeviceMessage } from "../olm/encrypt.ts";
import { recipientsAmong, requireShareable } from "../rooms/recipients.ts";

/** Whatever a room is configured to do. */
const STRATEGY = "cross-signed";
const BUNDLE_TYPE = "m.room_key_bundle";
/** The specification's name, and the one of before it: matrix-sdk-crypto 0.19 reads both. */
export const BUNDLE_TYPES: readonly string[] = [BUNDLE_TYPE, "io.element.msc4268.room_key_bundle"];

/** What is still under way; with both zero it was sent, to so many devices. */
export interface HistoryShare {
  readonly queries: number;
  readonly claims: number;
  readonly devices: number;
}

/**
 * Call it again until nothing is under way; the message leaves with the last call. `file`: the `EncryptedFile` of the uploaded bundle.
 * @throws MachineError OWN_IDENTITY, IDENTITY_CHANGED
 */
export function shareHistory(
  context: Context,
  roomId: string,
  userId: string,
  file: JsonObject,
): HistoryShare {
  trackUsers(context, [userId]);
  const asked = context.rows.get("dirty", "", userId) !== null && isAskable(context, userId);
  if (asked) return { queries: 1, claims: 0, devices: 0 };
  requireShareable(context, [userId], STRATEGY);
  const devices = context.rows.list("device", userId).map(({ row }) => row);
  const { share } = recipientsAmong(context, devices, STRATEGY);
  const claims = claimFor(context, share);
  if (claims > 0) return { queries: 0, claims, devices: 0 };
  const messages = share.flatMap((device): ToDeviceMessage[] => {
    const content = encryptForDevice(context, device, BUNDLE_TYPE, { room_id: roomId, file });
    return content === null ? [] : [{ userId, deviceId: device.deviceId, content }];
  });
  queueToDevice(context, ENCRYPTED, messages, {});
  return { queries: 0, claims: 0, devices: messages.length };
}
