// Our own keys as the server and other devices see them (Client-Server API, "Device keys", "One-time and fallback keys"): signed JSON.
import { encodeBase64 } from "../../base64.ts";
import type { AccountState } from "../../olm/account.ts";
import type { OneTimeKey } from "../../olm/one-time-keys.ts";
import type { JsonObject } from "../../shape.ts";
import { type Signatures, signJson } from "../../signed-json.ts";
import type { AccountRow } from "../store/store.ts";

export const OLM_ALGORITHM = "m.olm.v1.curve25519-aes-sha2";
export const MEGOLM_ALGORITHM = "m.megolm.v1.aes-sha2";
/** The one kind of one-time and fallback key. */
export const SIGNED_CURVE25519 = "signed_curve25519";

type Signed = JsonObject & { readonly signatures: Signatures };

/** Our public identity keys, unpadded base64. */
export function ownKeys({ account }: AccountRow): { readonly curve25519: string; readonly ed25519: string } {
  return {
    curve25519: encodeBase64(account.identityKey.publicKey),
    ed25519: encodeBase64(account.signingKey.publicKey),
  };
}

/** `device_keys` of /keys/upload and `sender_device_keys` of MSC4147, signed by the device itself. */
export function ownDeviceKeys(row: AccountRow): Signed {
  const { userId, deviceId, account } = row;
  const { curve25519, ed25519 } = ownKeys(row);
  const keys = {
    user_id: userId,
    device_id: deviceId,
    algorithms: [OLM_ALGORITHM, MEGOLM_ALGORITHM],
    keys: {
      [`curve25519:${deviceId}`]: curve25519,
      [`ed25519:${deviceId}`]: ed25519,
    },
  };
  return signJson(keys, userId, `ed25519:${deviceId}`, account.signingKey);
}

/** One-time keys by their ID, signed. `fallback` is inside of what is signed, or a server could turn one kind into the other. */
export function signedKeys(
  row: AccountRow,
  account: AccountState,
  keys: readonly OneTimeKey[],
  fallback: boolean,
): JsonObject {
  const sign = ({ key }: OneTimeKey): Signed =>
    signJson(
      fallback ? { key, fallback: true } : { key },
      row.userId,
      `ed25519:${row.deviceId}`,
      account.signingKey,
    );
  return Object.fromEntries(keys.map((key) => [`${SIGNED_CURVE25519}:${key.id}`, sign(key)]));
}
