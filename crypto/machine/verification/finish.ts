// What a verification that went well makes trusted: another user's identity, our own, or a device of ours.
import type { Context } from "../context.ts";
import { wantSignature } from "../cross-signing/sign.ts";
import { updateCrossSigning } from "../cross-signing/upload.ts";
import { acknowledgeIdentity, confirmOwnIdentity, deviceTrust, isUserVerified } from "../devices/trust.ts";
import type { DeviceRow } from "../store/store.ts";
import { say } from "./flow.ts";
import type { VerificationRow, VerificationState } from "./state.ts";

/** Keys of the other side that were compared. `master`: of its user, null where it was not among them. */
export interface Compared {
  readonly master: string | null;
  readonly device: DeviceRow | null;
}

/** Trusts what was compared, tells the other side, and waits for the same word from there. */
export function finish(context: Context, row: VerificationRow, compared: Compared): VerificationState {
  trustCompared(context, row, compared);
  say(context, row, "done", {});
  const verified = { master: compared.master, deviceId: compared.device?.deviceId ?? null };
  return { kind: "finishing", verified };
}

function trustCompared(context: Context, { userId }: VerificationRow, { master, device }: Compared): void {
  if (userId === context.userId) {
    if (master !== null && !isUserVerified(context, userId)) confirmOwnIdentity(context, master);
    if (device !== null && !deviceTrust(context, device).crossSigned) {
      wantSignature(context, userId, device.deviceId, device.ed25519);
    }
    // Once both are signed, that device may give us what we lack.
    updateCrossSigning(context, { asksForSecrets: true });
  } else if (master !== null) {
    acknowledgeIdentity(context, userId);
    wantSignature(context, userId, null, master);
  }
}
