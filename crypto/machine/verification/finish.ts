// What a verification that went well makes trusted: another user's identity, our own, or a device of ours.
import { updateBackup } from "../backup/version.ts";
import type { Context } from "../context.ts";
import { wantSignature } from "../cross-signing/sign.ts";
import { updateCrossSigning } from "../cross-signing/upload.ts";
import { acknowledgeIdentity, confirmOwnIdentity, deviceTrust, isUserVerified } from "../devices/trust.ts";
import { MachineError } from "../errors.ts";
import type { DeviceRow } from "../store/store.ts";
import { say } from "./flow.ts";
import type { VerificationRow, VerificationState } from "./state.ts";

/** Keys of the other side that were compared. `master`: of its user, null where it was not among them. */
export interface Compared {
  readonly master: string | null;
  readonly device: DeviceRow | null;
}

/** Trusts what was compared, tells the other side, and waits for the same word from there, if it is one that says it. */
export function finish(context: Context, row: VerificationRow, compared: Compared): VerificationState {
  trustCompared(context, row, compared);
  say(context, row, "done", {});
  const verified = { master: compared.master, deviceId: compared.device?.deviceId ?? null };
  return row.bare === true ? { kind: "done", verified } : { kind: "finishing", verified };
}

/**
 * A person compared the master key by other means, and it is theirs.
 * @throws MachineError UNKNOWN_USER; IDENTITY_CHANGED when the server shows another one
 */
export function trustMaster(context: Context, userId: string, master: string): void {
  const shown = context.rows.get("identity", "", userId)?.master ?? null;
  if (shown !== master) {
    throw new MachineError(
      shown === null ? "UNKNOWN_USER" : "IDENTITY_CHANGED",
      `encryption machine: the server shows ${shown === null ? "no" : "another"} master key for ${userId} than the one given; nothing was trusted`,
    );
  }
  trustCompared(context, { userId }, { master, device: null });
}

function trustCompared(
  context: Context,
  { userId }: Pick<VerificationRow, "userId">,
  { master, device }: Compared,
): void {
  if (userId === context.userId) {
    if (master !== null && !isUserVerified(context, userId)) confirmOwnIdentity(context, master);
    if (device !== null && !deviceTrust(context, device).crossSigned) {
      wantSignature(context, userId, device.deviceId, device.ed25519);
    }
    // Once both are signed, that device may give us what we lack.
    updateCrossSigning(context, { asksForSecrets: true });
    // Its signature may be worth something now.
    updateBackup(context, { stale: true });
  } else if (master !== null) {
    acknowledgeIdentity(context, userId);
    wantSignature(context, userId, null, master);
  }
}
