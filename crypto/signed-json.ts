// Signed JSON objects: device keys, one-time keys, cross-signing keys, backup auth data
// (specification, appendices: Signing JSON, Checking for a Signature; the whole of it, for Ed25519).
// The signature covers the canonical JSON of the object without `signatures` and `unsigned`.
//
// Key IDs `ed25519:<device ID>` and `ed25519:<public key>` share one namespace (CVE-2022-39250): a device can be named like a master key.
// So `verifyJson` takes the public key that the caller pinned, and the key ID only says which signature to look at.
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { canonicalJsonBytes } from "./canonical-json.ts";
import { CryptoError } from "./errors.ts";
import type { Ed25519KeyPair, Ed25519PublicKey } from "./provider.ts";
import { isJsonObject, type JsonObject, member, requireObject } from "./shape.ts";

/** `signatures` of a JSON object: user or server name to signing key ID to unpadded base64. */
export type Signatures = { readonly [entity: string]: { readonly [keyId: string]: string } };

/** The bytes that a signature covers. @throws CryptoError FORMAT where canonical JSON refuses the object. */
export function signableBytes(object: JsonObject): Uint8Array<ArrayBuffer> {
  // Object.fromEntries defines members, so that one named __proto__ is a member like any other.
  const rest = Object.fromEntries(
    Object.entries(object).filter(([key]) => key !== "signatures" && key !== "unsigned"),
  );
  return canonicalJsonBytes(rest);
}

/**
 * A copy of the object with our signature added beside those that it has. The object itself is not changed.
 *
 * @param entity who signs: a user ID, or a server name.
 * @param keyId the signing key identifier, `ed25519:<device ID>` or `ed25519:<public key>`.
 * @throws CryptoError FORMAT where canonical JSON refuses the object, or `signatures` is there and is not an object.
 */
export function signJson<T extends JsonObject>(
  object: T,
  entity: string,
  keyId: string,
  key: Pick<Ed25519KeyPair, "sign">,
): T & { readonly signatures: Signatures } {
  const signature = encodeBase64(key.sign(signableBytes(object)));
  const before = member(object, "signatures");
  const all = before === undefined ? {} : requireObject(before, "signatures");
  const theirs = member(all, entity);
  const mine = theirs === undefined ? {} : requireObject(theirs, `signatures of ${entity}`);
  const signatures = { ...all, [entity]: { ...mine, [keyId]: signature } };
  // The members that were there are passed through unread, so `signatures` is as well-formed as it came, plus our string.
  return { ...object, signatures } as T & { readonly signatures: Signatures };
}

/**
 * Checks one signature of a JSON object, under a public key that the caller has reason to trust.
 *
 * @throws CryptoError SIGNATURE when it does not hold or has the wrong length, MISSING_KEY when there is none by that entity and
 *   key ID, BASE64 when it is not base64, FORMAT where canonical JSON refuses the object.
 */
export function verifyJson(
  object: JsonObject,
  entity: string,
  keyId: string,
  key: Pick<Ed25519PublicKey, "verify">,
): void {
  const text = signatureOf(object, entity, keyId);
  if (text === null) {
    throw new CryptoError(
      "MISSING_KEY",
      `signed JSON: expected a signature by ${entity} with ${keyId}, found none`,
    );
  }
  const signature = decodeBase64(text);
  if (!key.verify(signableBytes(object), signature)) {
    throw new CryptoError("SIGNATURE", `signed JSON: the signature by ${entity} with ${keyId} does not hold`);
  }
}

/** The text of a signature, or null where there is none. Anything that is not a string counts as none. */
export function signatureOf(object: JsonObject, entity: string, keyId: string): string | null {
  const all = member(object, "signatures");
  const theirs = isJsonObject(all) ? member(all, entity) : undefined;
  const text = isJsonObject(theirs) ? member(theirs, keyId) : undefined;
  return typeof text === "string" ? text : null;
}
