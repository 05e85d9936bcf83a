// To-device events of a sync, one by one, in order: what each of them is, as data. Nothing a server sends throws out of here.
import { CryptoError, type CryptoErrorCode } from "../../errors.ts";
import { isJsonObject, type JsonObject, member } from "../../shape.ts";
import type { Context } from "../context.ts";
import { markDirty } from "../devices/tracking.ts";
import { type DeviceTrust, deviceTrust } from "../devices/trust.ts";
import { type RoomKey, receiveRoomKey } from "../rooms/receive.ts";
import { receiveWithheld } from "../rooms/withheld.ts";
import { checkOlmPlaintext, type OlmPlaintext } from "./check.ts";
import { decryptOlm, isRepeated, type OlmCiphertext, readOlmContent, rememberMessage } from "./decrypt.ts";
import { ENCRYPTED } from "./encrypt.ts";
import { markWedged } from "./unwedge.ts";

/**
 * - `decrypted`: every claim in it holds. `trust` is null where the sending device is not known.
 * - `room-key`: a room key that was taken; events of its session can be tried again.
 * - `plain`: came in clear, and is of a type that may.
 * - `undecryptable`: no key for it; a broken session is replaced in time.
 * - `unverified-sender`: it was read, but its sender is not cross-signed and only such are listened to.
 * - `invalid`: it breaks a rule and is discarded; the reason says which.
 * - `repeated`: it was taken before.
 */
export type ToDeviceResult =
  | { readonly kind: "decrypted"; readonly message: OlmPlaintext; readonly trust: DeviceTrust | null }
  | { readonly kind: "room-key"; readonly key: RoomKey; readonly sender: string }
  | { readonly kind: "plain"; readonly type: string; readonly sender: string; readonly content: JsonObject }
  | { readonly kind: "undecryptable"; readonly sender: string; readonly code: CryptoErrorCode }
  | { readonly kind: "unverified-sender"; readonly type: string; readonly sender: string }
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "repeated" };

/** What is taken in clear: nothing that carries a key or a secret. */
const PLAIN_TYPES =
  /^(m\.room_key_request|m\.secret\.request|m\.room_key\.withheld|m\.key\.verification\.[a-z]+)$/;
/** Secret or key material: never in clear, whatever else is. */
const ENCRYPTED_ONLY =
  /^(m\.room_key|m\.forwarded_room_key|m\.secret\.send|m\.room_key_bundle|io\.element\.msc4268\.room_key_bundle|m\.dummy|io\.element\.msc4385\.secret\.push)$/;
/** What a device that is not cross-signed may send where only cross-signed ones are listened to. */
const FROM_ANYONE =
  /^(m\.room_key|m\.room_key\.withheld|m\.room_key_request|m\.secret\.request|m\.dummy|m\.key\.verification\.[a-z]+)$/;

export function receiveToDevice(context: Context, event: unknown): ToDeviceResult {
  const type = isJsonObject(event) ? member(event, "type") : undefined;
  const sender = isJsonObject(event) ? member(event, "sender") : undefined;
  const content = isJsonObject(event) ? member(event, "content") : undefined;
  if (typeof type !== "string" || typeof sender !== "string" || !isJsonObject(content)) {
    return { kind: "invalid", reason: "to-device event: expected type, sender and content" };
  }
  if (type === ENCRYPTED) return receiveEncrypted(context, sender, content);
  if (ENCRYPTED_ONLY.test(type)) return { kind: "invalid", reason: `to-device event: ${type} in clear` };
  if (type === "m.room_key.withheld") receiveWithheld(context, sender, content);
  if (PLAIN_TYPES.test(type) || !type.startsWith("m.")) return { kind: "plain", type, sender, content };
  return { kind: "invalid", reason: "to-device event: of a type that is not taken in clear" };
}

function receiveEncrypted(context: Context, sender: string, content: JsonObject): ToDeviceResult {
  let ciphertext: OlmCiphertext;
  try {
    ciphertext = readOlmContent(context, content);
  } catch (error) {
    return { kind: "invalid", reason: reasonOf(error) };
  }
  if (isRepeated(context, ciphertext)) return { kind: "repeated" };
  let plaintext: Uint8Array;
  try {
    plaintext = decryptOlm(context, ciphertext);
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    markWedged(context, sender, ciphertext.senderKey);
    return { kind: "undecryptable", sender, code: error.code };
  }
  rememberMessage(context, ciphertext);
  try {
    return judge(context, checkOlmPlaintext(context, plaintext, { sender, senderKey: ciphertext.senderKey }));
  } catch (error) {
    return { kind: "invalid", reason: reasonOf(error) };
  }
}

function judge(context: Context, message: OlmPlaintext): ToDeviceResult {
  const { device, sender, type } = message;
  // A dehydrated device waits on the server; nobody sits at it who could send.
  if (device?.dehydrated) return { kind: "invalid", reason: "Olm message: from a dehydrated device" };
  const tracked = context.rows.get("tracked", "", sender) !== null;
  const listed = device !== null && context.rows.get("device", sender, device.deviceId) !== null;
  if (tracked && !listed) markDirty(context, sender);
  const trust = device === null ? null : deviceTrust(context, device);
  if (context.crossSignedSendersOnly && trust?.crossSigned !== true && !FROM_ANYONE.test(type)) {
    return { kind: "unverified-sender", type, sender };
  }
  if (type !== "m.room_key") return { kind: "decrypted", message, trust };
  const key = receiveRoomKey(context, message);
  if (key === null) return { kind: "invalid", reason: "m.room_key: it does not hold" };
  return { kind: "room-key", key, sender };
}

function reasonOf(error: unknown): string {
  if (error instanceof CryptoError) return error.message;
  throw error;
}
