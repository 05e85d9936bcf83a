// A device's keys as somebody else gives them (Client-Server API, "Device keys"): out of /keys/query, or `sender_device_keys` inside a message.
// Nothing of it counts before the device's own signature holds over user, device and both keys.
import { decodeBase64, encodeBase64 } from "../../base64.ts";
import { CryptoError } from "../../errors.ts";
import type { CryptoProvider } from "../../provider.ts";
import {
  type JsonObject,
  member,
  objectMember,
  requireBytes,
  requireObject,
  stringMember,
} from "../../shape.ts";
import { signatureOf, verifyJson } from "../../signed-json.ts";
import { MEGOLM_ALGORITHM, OLM_ALGORITHM } from "../account/device-keys.ts";
import type { DeviceRow } from "../store/store.ts";

const KEY_BYTES = 32;

/**
 * A device whose signature holds. `selfSigning`: the user's verified self-signing key, or null; a signature of it that does not hold counts as none.
 * @throws CryptoError FORMAT, BASE64, SMALL_ORDER, MISSING_KEY, SIGNATURE
 */
export function parseDeviceKeys(
  provider: CryptoProvider,
  value: unknown,
  expected: { readonly userId: string; readonly deviceId: string },
  selfSigning: string | null,
): DeviceRow {
  const object = requireObject(value, "device keys");
  const { userId, deviceId } = expected;
  requireSame(stringMember(object, "user_id", "device keys"), userId, "user_id");
  requireSame(stringMember(object, "device_id", "device keys"), deviceId, "device_id");
  const keys = objectMember(object, "keys", "device keys");
  const ed25519 = readKey(keys, `ed25519:${deviceId}`);
  const curve25519 = readKey(keys, `curve25519:${deviceId}`);
  verifyJson(object, userId, `ed25519:${deviceId}`, provider.importEd25519Public(ed25519, "unchecked"));
  const crossSignature = selfSigning === null ? null : goodSignature(provider, object, userId, selfSigning);
  return {
    userId,
    deviceId,
    curve25519: encodeBase64(curve25519),
    ed25519: encodeBase64(ed25519),
    algorithms: readAlgorithms(member(object, "algorithms")),
    dehydrated: member(object, "dehydrated") === true,
    crossSignedBy: crossSignature === null ? null : selfSigning,
    crossSignature,
    present: true,
  };
}

/** The text of the key's signature, where there is one and it holds. */
export function goodSignature(
  provider: CryptoProvider,
  object: JsonObject,
  entity: string,
  publicKey: string,
): string | null {
  const keyId = `ed25519:${publicKey}`;
  const text = signatureOf(object, entity, keyId);
  if (text === null) return null;
  try {
    verifyJson(object, entity, keyId, provider.importEd25519Public(decodeBase64(publicKey), "unchecked"));
    return text;
  } catch (error) {
    if (error instanceof CryptoError) return null;
    throw error;
  }
}

function readKey(keys: JsonObject, name: string): Uint8Array {
  return requireBytes(decodeBase64(stringMember(keys, name, "device keys")), KEY_BYTES, "device key");
}

function readAlgorithms(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw new CryptoError("FORMAT", "device keys.algorithms: expected an array");
  return [OLM_ALGORITHM, MEGOLM_ALGORITHM].filter((name) => value.includes(name));
}

function requireSame(found: string, expected: string, what: string): void {
  if (found === expected) return;
  throw new CryptoError("FORMAT", `device keys.${what}: expected the one that was asked for, found another`);
}
