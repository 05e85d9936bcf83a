// What a command's sender is worth by the device that encrypted it. A device counts as signed only under an identity that is the one we know: a homeserver
// can make an identity of its own for anybody, and sign any device with it (e2ee: identities are pinned when they are first seen).
import type { DeviceTrust } from "#crypto/machine/devices/trust.ts";

/** `changed`: cross-signed, by an identity that is not the one we first saw or verified. */
export type SenderTrust = "verified" | "cross-signed" | "changed" | "unsigned" | "unknown";

/** `null`: no such device is known. */
export const senderTrust = (trust: DeviceTrust | null): SenderTrust => {
  if (trust === null) return "unknown";
  if (trust.verified) return "verified";
  if (!trust.crossSigned) return "unsigned";
  return trust.identity === "pinned" ? "cross-signed" : "changed";
};
