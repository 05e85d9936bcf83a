// Users' cross-signing keys (Client-Server API, "Cross-signing"): read, checked, pinned when first seen (TOFU), changes kept as data.
// The master key vouches for the other two. Nothing here makes an identity trusted: trust.ts says what does.
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
import { verifyJson } from "../../signed-json.ts";
import type { Context } from "../context.ts";
import type { IdentityRow } from "../store/store.ts";
import { goodSignature } from "./device-keys.ts";
import { isUserVerified } from "./trust.ts";

const KEY_BYTES = 32;

/** The three objects of a /keys/query answer for one user, unread. */
export interface IdentityKeys {
  readonly master: unknown;
  readonly selfSigning: unknown;
  readonly userSigning: unknown;
}

/**
 * Takes what the server gives for a user. Where no master key is given, what is known stays: a server cannot make us forget an identity.
 * Whatever does not hold is dropped as a whole, with a notice.
 */
export function receiveIdentity(context: Context, userId: string, keys: IdentityKeys): void {
  if (keys.master === undefined) return;
  const known = context.rows.get("identity", "", userId);
  try {
    const next = nextIdentity(context, userId, keys, known);
    if (known !== null && known.master !== next.master) {
      context.notify({ kind: "identity-changed", userId, wasVerified: next.previouslyVerified });
    }
    if (known === null || !sameIdentity(known, next)) context.rows.put("identity", "", userId, next);
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    context.notify({ kind: "identity-rejected", userId, reason: error.message });
  }
}

function nextIdentity(
  context: Context,
  userId: string,
  keys: IdentityKeys,
  known: IdentityRow | null,
): IdentityRow {
  const { provider } = context;
  const master = readCrossSigningKey(keys.master, userId, "master");
  const subkey = (value: unknown, usage: string): string | null =>
    value === undefined ? null : readSignedKey(provider, value, userId, usage, master.publicKey);
  const ours = context.rows.get("identity", "", context.userId);
  const ourUserSigning = userId === context.userId ? null : (ours?.userSigning ?? null);
  const signature = ourUserSigning && goodSignature(provider, master.object, context.userId, ourUserSigning);
  const changed = known !== null && known.master !== master.publicKey;
  return {
    master: master.publicKey,
    selfSigning: subkey(keys.selfSigning, "self_signing"),
    userSigning: userId === context.userId ? subkey(keys.userSigning, "user_signing") : null,
    pinned: known?.pinned ?? master.publicKey,
    // Asked before the row changes: was the identity that is now replaced a verified one?
    previouslyVerified: (known?.previouslyVerified ?? false) || (changed && isUserVerified(context, userId)),
    confirmed: known?.confirmed ?? null,
    signedBy: signature === null ? null : ourUserSigning,
  };
}

function readSignedKey(
  provider: CryptoProvider,
  value: unknown,
  userId: string,
  usage: string,
  master: string,
): string {
  const { object, publicKey } = readCrossSigningKey(value, userId, usage);
  const key = provider.importEd25519Public(decodeBase64(master), "unchecked");
  verifyJson(object, userId, `ed25519:${master}`, key);
  return publicKey;
}

/** @throws CryptoError FORMAT, BASE64 */
function readCrossSigningKey(
  value: unknown,
  userId: string,
  usage: string,
): { readonly object: JsonObject; readonly publicKey: string } {
  const what = `${usage} key`;
  const object = requireObject(value, what);
  if (stringMember(object, "user_id", what) !== userId) {
    throw new CryptoError("FORMAT", `${what}: it is another user's`);
  }
  const usages = member(object, "usage");
  if (!Array.isArray(usages) || !usages.includes(usage)) {
    throw new CryptoError("FORMAT", `${what}: it is not meant for this usage`);
  }
  const keys = objectMember(object, "keys", what);
  const [keyId, ...more] = Object.keys(keys);
  if (keyId === undefined || more.length > 0) {
    throw new CryptoError("FORMAT", `${what}: expected one key, found ${Object.keys(keys).length}`);
  }
  const publicKey = encodeBase64(
    requireBytes(decodeBase64(stringMember(keys, keyId, what)), KEY_BYTES, what),
  );
  if (keyId !== `ed25519:${publicKey}`) throw new CryptoError("FORMAT", `${what}: its ID does not name it`);
  return { object, publicKey };
}

function sameIdentity(a: IdentityRow, b: IdentityRow): boolean {
  return (
    a.master === b.master &&
    a.selfSigning === b.selfSigning &&
    a.userSigning === b.userSigning &&
    a.signedBy === b.signedBy &&
    a.previouslyVerified === b.previouslyVerified
  );
}
