// What a decrypted Olm message must say of itself before anything in it counts (Client-Server API, "m.olm.v1.curve25519-aes-sha2",
// validation of incoming decrypted events; v1.15, corrected in v1.19; MSC4147). All MUSTs: what fails is discarded.
//
//   sender              = the sender that the server names
//   recipient, recipient_keys.ed25519 = us
//   keys.ed25519        = the key of the device that owns the session
//   sender_device_keys  (if there) user_id = sender (CVE-2026-45056), curve25519 = the session's, ed25519 = keys.ed25519, signed by it
import { CryptoError } from "../../errors.ts";
import {
  decodeUtf8,
  type JsonObject,
  member,
  objectMember,
  parseJson,
  requireObject,
  stringMember,
} from "../../shape.ts";
import { ownKeys } from "../account/device-keys.ts";
import { type Context, ownAccount } from "../context.ts";
import { parseDeviceKeys } from "../devices/device-keys.ts";
import type { DeviceRow } from "../store/store.ts";
import { findDevice } from "./unwedge.ts";

/** A message whose every claim holds. */
export interface OlmPlaintext {
  readonly type: string;
  readonly content: JsonObject;
  readonly sender: string;
  /** Of the sending device: proven by the session, and named by the device itself. */
  readonly curve25519: string;
  readonly ed25519: string;
  /** The device: as the server listed it, or by its own signed keys inside the message; null where neither is known. */
  readonly device: DeviceRow | null;
}

const WHAT = "Olm message";

/** @throws CryptoError FORMAT for what cannot be read, PROTOCOL for a claim that does not hold, and as `parseDeviceKeys` */
export function checkOlmPlaintext(
  context: Context,
  bytes: Uint8Array,
  outer: { readonly sender: string; readonly senderKey: string },
): OlmPlaintext {
  const plaintext = requireObject(parseJson(decodeUtf8(bytes, WHAT), WHAT), WHAT);
  const own = ownKeys(ownAccount(context));
  const ed25519 = stringMember(objectMember(plaintext, "keys", WHAT), "ed25519", WHAT);
  requireSame(stringMember(plaintext, "sender", WHAT), outer.sender, "sender");
  requireSame(stringMember(plaintext, "recipient", WHAT), context.userId, "recipient");
  const recipientKeys = objectMember(plaintext, "recipient_keys", WHAT);
  requireSame(stringMember(recipientKeys, "ed25519", WHAT), own.ed25519, "recipient_keys.ed25519");
  const sent = sentDevice(context, plaintext, outer, ed25519);
  const listed = findDevice(context, outer.sender, outer.senderKey);
  if (listed !== null) requireSame(ed25519, listed.ed25519, "keys.ed25519");
  return {
    type: stringMember(plaintext, "type", WHAT),
    content: objectMember(plaintext, "content", WHAT),
    sender: outer.sender,
    curve25519: outer.senderKey,
    ed25519,
    device: listed ?? sent,
  };
}

/** The device that `sender_device_keys` describes. What it says of cross-signing is checked against the identity that we know. */
function sentDevice(
  context: Context,
  plaintext: JsonObject,
  { sender, senderKey }: { readonly sender: string; readonly senderKey: string },
  ed25519: string,
): DeviceRow | null {
  const keys = member(plaintext, "sender_device_keys");
  if (keys === undefined) return null;
  const deviceId = stringMember(requireObject(keys, WHAT), "device_id", WHAT);
  const identity = context.rows.get("identity", "", sender);
  const device = parseDeviceKeys(
    context.provider,
    keys,
    { userId: sender, deviceId },
    identity?.selfSigning ?? null,
  );
  requireSame(device.curve25519, senderKey, "sender_device_keys curve25519");
  requireSame(device.ed25519, ed25519, "sender_device_keys ed25519");
  const pinned = context.rows.get("device", sender, deviceId);
  if (pinned !== null) requireSame(pinned.curve25519, senderKey, "the pinned device");
  return device;
}

function requireSame(found: string, expected: string, what: string): void {
  if (found === expected) return;
  throw new CryptoError("PROTOCOL", `${WHAT}: ${what} is not that of the message`);
}
