// To-device messages between our user's devices, or about our user: verification, secrets, keys that are asked for. They are taken here once they were read and judged (olm/receive.ts),
// and stay in the results for whoever logs them.
import type { JsonObject } from "../shape.ts";
import type { Context } from "./context.ts";
import { receiveKeyRequest } from "./forwarding/answer.ts";
import { receiveForwardedKey } from "./forwarding/receive.ts";
import { receiveBundle } from "./history/receive.ts";
import { BUNDLE_TYPES } from "./history/share.ts";
import type { OlmPlaintext } from "./olm/check.ts";
import { receiveToDevice, type ToDeviceResult } from "./olm/receive.ts";
import { receiveSecret, receiveSecretRequest } from "./secrets/gossip.ts";
import { isVerificationType, receiveVerification } from "./verification/receive.ts";

export function receiveToDeviceEvents(
  context: Context,
  events: readonly unknown[],
): readonly ToDeviceResult[] {
  return events.map((event) => takeMessage(context, receiveToDevice(context, event)));
}

function takeMessage(context: Context, result: ToDeviceResult): ToDeviceResult {
  if (result.kind === "plain") takePlain(context, result.sender, result.type, result.content);
  if (result.kind !== "decrypted") return result;
  const { message } = result;
  if (message.type === "m.forwarded_room_key") return takeForwarded(context, message);
  if (BUNDLE_TYPES.includes(message.type)) return takeBundle(context, result);
  if (message.type !== "m.secret.send") {
    takePlain(context, message.sender, message.type, message.content);
    return result;
  }
  if (receiveSecret(context, message)) {
    context.notify({ kind: "secret-received", deviceId: message.device?.deviceId ?? "" });
  }
  // Results are logged: the secret itself goes no further.
  return { ...result, message: { ...message, content: {} } };
}

/** Its file holds a key. */
function takeBundle(
  context: Context,
  result: Extract<ToDeviceResult, { kind: "decrypted" }>,
): ToDeviceResult {
  const reason = receiveBundle(context, result.message);
  if (reason !== null) return { kind: "invalid", reason };
  return { ...result, message: { ...result.message, content: {} } };
}

/** Results are logged, and this one must not hold the key. */
function takeForwarded(context: Context, message: OlmPlaintext): ToDeviceResult {
  const taken = receiveForwardedKey(context, message);
  if (typeof taken === "string") return { kind: "invalid", reason: taken };
  return { kind: "room-key", key: taken, sender: message.sender };
}

/** What proves nothing by how it came. */
function takePlain(context: Context, sender: string, type: string, content: JsonObject): void {
  if (isVerificationType(type)) receiveVerification(context, sender, type, content);
  else if (type === "m.secret.request") receiveSecretRequest(context, sender, content);
  else if (type === "m.room_key_request") receiveKeyRequest(context, sender, content);
}
