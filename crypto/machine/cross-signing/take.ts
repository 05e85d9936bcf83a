// Private cross-signing keys that come from elsewhere: secret storage, or another device of ours. A key counts only if its public half is the one that
// the server shows for our user.
import { encodeBase64 } from "../../base64.ts";
import type { Context } from "../context.ts";
import { markDirty } from "../devices/tracking.ts";
import { confirmOwnIdentity } from "../devices/trust.ts";
import { KEY_USAGES, type KeyUsage, publicKeyOf, readSeed, secretName, shownKey } from "./keys.ts";

/** The usage that a secret's name stands for; null for other secrets. */
export function usageOf(name: string): KeyUsage | null {
  return KEY_USAGES.find((usage) => secretName(usage) === name) ?? null;
}

/**
 * Keeps a private key, if it belongs to our user's identity; whether it did.
 *
 * `confirms`: it was read with a key that only our user has, so a private master key shows that the identity is ours. The other two do not: a
 * server can put a master key of its own above a self-signing key that is really ours.
 */
export function takePrivateKey(
  context: Context,
  usage: KeyUsage,
  secret: string,
  { confirms }: { readonly confirms: boolean },
): boolean {
  const key = readSeed(context, secret);
  if (key === null || publicKeyOf(key) !== shownKey(context, usage)) return false;
  const seed = key.exportSecret();
  context.rows.put("secret", "", secretName(usage), { secret: encodeBase64(seed) });
  seed.fill(0);
  if (usage === "master" && confirms) confirmOwnIdentity(context, publicKeyOf(key));
  // Signatures on devices that wait for this key are made as the server shows them.
  markDirty(context, context.userId);
  return true;
}
