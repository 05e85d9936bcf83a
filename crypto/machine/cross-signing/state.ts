// What cross-signing is at, as data for a person or the calling program, and what each state asks for.
import type { JsonObject } from "../../shape.ts";
import type { Context } from "../context.ts";
import { deviceTrust, isUserVerified } from "../devices/trust.ts";
import { KEY_USAGES, type KeyUsage, privateKey, publicKeyOf, shownKey } from "./keys.ts";
import { crossSigningRow, isOwnIdentityUnknown } from "./upload.ts";

/**
 * - `unknown`: the server has not said yet. Answer the query.
 * - `none`: our user has no cross-signing keys. `bootstrapCrossSigning` makes them.
 * - `broken`: the server shows keys that do not hold. Reset them in another client, or `bootstrapCrossSigning({ replace: true })`.
 * - `uploading`: ours are made. `challenge`: the server wants a password or an approval first (cross-signing/authentication.ts).
 * - `refused`: the server does not take them. Put the reason right, then `bootstrapCrossSigning` again.
 * - `theirs-unsigned`: somebody else made the identity, and nothing shows that it is our user's. Give the recovery key, or verify this device with
 *   another one. `changed`: a confirmed one was there before, so somebody reset it, or the server lies.
 * - `ours`: the identity is confirmed. `deviceSigned` false: a private key to sign with is missing; ask other devices, or give the recovery key.
 *   `held`: the private keys that we have and that belong to it.
 */
export type CrossSigningState =
  | { readonly state: "unknown" | "none" | "broken" }
  | { readonly state: "uploading"; readonly challenge: JsonObject | null }
  | { readonly state: "refused"; readonly error: string }
  | { readonly state: "theirs-unsigned"; readonly master: string; readonly changed: boolean }
  | {
      readonly state: "ours";
      readonly master: string;
      readonly deviceSigned: boolean;
      readonly held: readonly KeyUsage[];
    };

export function crossSigningState(context: Context): CrossSigningState {
  const row = crossSigningRow(context);
  if (row.refusal !== null) return { state: "refused", error: row.refusal };
  if (row.made !== null) return { state: "uploading", challenge: row.challenge };
  const identity = context.rows.get("identity", "", context.userId);
  if (identity === null) {
    if (isOwnIdentityUnknown(context)) return { state: "unknown" };
    return { state: row.shown ? "broken" : "none" };
  }
  const { master, confirmed } = identity;
  if (!isUserVerified(context, context.userId)) {
    return { state: "theirs-unsigned", master, changed: confirmed !== null && confirmed !== master };
  }
  const device = context.rows.get("device", context.userId, context.deviceId);
  const deviceSigned = device !== null && deviceTrust(context, device).crossSigned;
  return { state: "ours", master, deviceSigned, held: matchingKeys(context) };
}

/** The private keys that belong to the identity that the server shows. */
export function matchingKeys(context: Context): readonly KeyUsage[] {
  return KEY_USAGES.filter((usage) => {
    const key = privateKey(context, usage);
    return key !== null && publicKeyOf(key) === shownKey(context, usage);
  });
}
