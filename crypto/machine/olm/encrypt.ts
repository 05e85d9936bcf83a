// To-device messages to one device (Client-Server API, "m.olm.v1.curve25519-aes-sha2"; MSC4147: with our signed device keys, always),
// and the queue in which they leave: in requests of at most 250 messages, their transaction IDs fixed from the start.
import { CryptoError } from "../../errors.ts";
import type { OlmMessage } from "../../olm/session.ts";
import type { JsonObject } from "../../shape.ts";
import { OLM_ALGORITHM, ownDeviceKeys, ownKeys } from "../account/device-keys.ts";
import { addRequest, type Context, ownAccount } from "../context.ts";
import { TO_DEVICE_MESSAGES_MAX } from "../limits.ts";
import type { DeviceRow } from "../store/store.ts";
import { keepOlmSession, olmSessions, openOlmSession } from "./sessions.ts";

export const ENCRYPTED = "m.room.encrypted";

export interface ToDeviceMessage {
  readonly userId: string;
  readonly deviceId: string;
  readonly content: JsonObject;
}

/** The content of `m.room.encrypted` for a device; null where there is no session with it: claim first. */
export function encryptForDevice(
  context: Context,
  device: DeviceRow,
  type: string,
  content: JsonObject,
): JsonObject | null {
  const message = encryptWithBest(
    context,
    device.curve25519,
    JSON.stringify(plaintextFor(context, device, type, content)),
  );
  if (message === null) return null;
  return {
    algorithm: OLM_ALGORITHM,
    sender_key: ownKeys(ownAccount(context)).curve25519,
    ciphertext: { [device.curve25519]: { type: message.type, body: message.body } },
  };
}

/**
 * With the best session that can still be answered. A peer may give a ratchet key of small order, under which its own message decrypts and no answer is possible:
 * such a session is dropped, or one hostile member would stop every share with the room.
 */
function encryptWithBest(context: Context, curve25519: string, plaintext: string): OlmMessage | null {
  for (const { item, row } of olmSessions(context, curve25519)) {
    const session = openOlmSession(context, row);
    try {
      const message = session.encrypt(plaintext);
      // The ratchet moves on in the same transaction in which the message is queued: no message key serves twice.
      keepOlmSession(context, curve25519, session, row);
      return message;
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      context.rows.delete("olm", curve25519, item);
    }
  }
  return null;
}

function plaintextFor(context: Context, device: DeviceRow, type: string, content: JsonObject): JsonObject {
  const row = ownAccount(context);
  return {
    type,
    content,
    sender: context.userId,
    recipient: device.userId,
    recipient_keys: { ed25519: device.ed25519 },
    keys: { ed25519: ownKeys(row).ed25519 },
    sender_device_keys: withCrossSignature(context, ownDeviceKeys(row)),
  };
}

/** Our device keys with our identity's signature beside our own, where the server showed it and it held. */
function withCrossSignature(context: Context, keys: ReturnType<typeof ownDeviceKeys>): JsonObject {
  const device = context.rows.get("device", context.userId, context.deviceId);
  if (device?.crossSignature == null || device.crossSignedBy === null) return keys;
  const own = keys.signatures[context.userId] ?? {};
  const signatures = { ...own, [`ed25519:${device.crossSignedBy}`]: device.crossSignature };
  return { ...keys, signatures: { ...keys.signatures, [context.userId]: signatures } };
}

/** Puts messages of one type under way. `detail` comes back with each answer. */
export function queueToDevice(
  context: Context,
  eventType: string,
  messages: readonly ToDeviceMessage[],
  detail: JsonObject,
): void {
  for (let at = 0; at < messages.length; at += TO_DEVICE_MESSAGES_MAX) {
    const batch = messages.slice(at, at + TO_DEVICE_MESSAGES_MAX);
    const path = `/_matrix/client/v3/sendToDevice/${encodeURIComponent(eventType)}/`;
    const body = { messages: byUser(batch) };
    addRequest(context, (id) => ({ kind: "to-device", method: "PUT", path: `${path}${id}`, body }), detail);
  }
}

function byUser(messages: readonly ToDeviceMessage[]): JsonObject {
  const users = new Map<string, [string, JsonObject][]>();
  for (const { userId, deviceId, content } of messages) {
    const devices = users.get(userId) ?? [];
    devices.push([deviceId, content]);
    users.set(userId, devices);
  }
  return Object.fromEntries([...users].map(([user, devices]) => [user, Object.fromEntries(devices)]));
}
