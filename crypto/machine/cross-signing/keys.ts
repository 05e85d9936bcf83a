// Our user's cross-signing keys (Client-Server API, "Cross-signing"): making them, finding their private halves, the objects that are uploaded.
//
//   master        signs -> self-signing, user-signing; carries our device's own signature
//   self-signing  signs -> our devices
//   user-signing  signs -> other users' master keys
import { decodeBase64, encodeBase64 } from "../../base64.ts";
import { CryptoError } from "../../errors.ts";
import type { Ed25519KeyPair } from "../../provider.ts";
import type { JsonObject } from "../../shape.ts";
import { signJson } from "../../signed-json.ts";
import { type Context, ownAccount } from "../context.ts";
import { isUserVerified } from "../devices/trust.ts";

export type KeyUsage = "master" | "self_signing" | "user_signing";
export const KEY_USAGES: readonly KeyUsage[] = ["master", "self_signing", "user_signing"];

/** The private half's name in secret storage. */
export const secretName = (usage: KeyUsage): string => `m.cross_signing.${usage}`;

export const publicKeyOf = (key: Ed25519KeyPair): string => encodeBase64(key.publicKey);

/** Makes three keys and keeps their private halves; their public master key. */
export function makeKeys(context: Context): string {
  for (const usage of KEY_USAGES) {
    const key = context.provider.generateEd25519();
    const seed = key.exportSecret();
    context.rows.put("secret", "", secretName(usage), { secret: encodeBase64(seed) });
    seed.fill(0);
  }
  const master = privateKey(context, "master");
  return master === null ? "" : publicKeyOf(master);
}

export function forgetKeys(context: Context): void {
  for (const usage of KEY_USAGES) context.rows.delete("secret", "", secretName(usage));
}

/** The key pair that we hold for a usage, whether it is still the user's or not; null where there is none. */
export function privateKey(context: Context, usage: KeyUsage): Ed25519KeyPair | null {
  const row = context.rows.get("secret", "", secretName(usage));
  return row === null ? null : readSeed(context, row.secret);
}

/** A private key as secret storage writes it; null for anything else. */
export function readSeed({ provider }: Pick<Context, "provider">, secret: string): Ed25519KeyPair | null {
  try {
    const seed = decodeBase64(secret.trim());
    const key = seed.length === 32 ? provider.importEd25519(seed) : null;
    // A copy: the pair took its own.
    seed.fill(0);
    return key;
  } catch (error) {
    if (error instanceof CryptoError) return null;
    throw error;
  }
}

/** The public half that the server shows for a usage of ours. */
export function shownKey(context: Context, usage: KeyUsage): string | null {
  const identity = context.rows.get("identity", "", context.userId);
  if (identity === null) return null;
  switch (usage) {
    case "master":
      return identity.master;
    case "self_signing":
      return identity.selfSigning;
    case "user_signing":
      return identity.userSigning;
  }
}

/** The private key of a usage, where it belongs to the identity that the server shows, and that identity is a verified one. */
export function signingKey(context: Context, usage: KeyUsage): Ed25519KeyPair | null {
  if (!isUserVerified(context, context.userId)) return null;
  const key = privateKey(context, usage);
  return key !== null && publicKeyOf(key) === shownKey(context, usage) ? key : null;
}

export function keyObject(userId: string, usage: KeyUsage, publicKey: string): JsonObject {
  return { user_id: userId, usage: [usage], keys: { [`ed25519:${publicKey}`]: publicKey } };
}

export function signWith(object: JsonObject, userId: string, key: Ed25519KeyPair): JsonObject {
  return signJson(object, userId, `ed25519:${publicKeyOf(key)}`, key);
}

/** The body of /keys/device_signing/upload out of the private keys that we hold; null where one is missing. Always the same for the same keys. */
export function uploadBody(context: Context): JsonObject | null {
  const { userId, deviceId } = context;
  const [master, selfSigning, userSigning] = KEY_USAGES.map((usage) => privateKey(context, usage));
  if (!master || !selfSigning || !userSigning) return null;
  const object = (usage: KeyUsage, key: Ed25519KeyPair): JsonObject =>
    keyObject(userId, usage, publicKeyOf(key));
  const { signingKey: device } = ownAccount(context).account;
  return {
    master_key: signJson(object("master", master), userId, `ed25519:${deviceId}`, device),
    self_signing_key: signWith(object("self_signing", selfSigning), userId, master),
    user_signing_key: signWith(object("user_signing", userSigning), userId, master),
  };
}
