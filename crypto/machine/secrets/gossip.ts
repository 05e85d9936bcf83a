// Secrets between our user's devices (Client-Server API, "Sharing", "m.secret.request", "m.secret.send"). A secret goes to a verified device of our
// own user only, over Olm; and one that comes is taken only from such a device, if we asked it, and if it fits what is known.
import { encodeBase64 } from "../../base64.ts";
import { type JsonObject, member } from "../../shape.ts";
import type { Context } from "../context.ts";
import { crossSigningRow, updateCrossSigning } from "../cross-signing/upload.ts";
import { verifiedDevices, verifiedSender } from "../devices/own.ts";
import type { OlmPlaintext } from "../olm/check.ts";
import { claimFor } from "../olm/claim.ts";
import { ENCRYPTED, encryptForDevice, queueToDevice } from "../olm/encrypt.ts";
import type { DeviceRow } from "../store/store.ts";
import { holdsSecret, missingSecrets, SECRET_NAMES, takeSecret } from "./known.ts";
import {
  ANSWER_MS,
  ANSWERS_MAX,
  ASK_AGAIN_MS,
  REQUEST_ID_CHARS_MAX,
  REQUEST_MS,
  SECRET_CHARS_MAX,
} from "./limits.ts";

const REQUEST = "m.secret.request";
const SEND = "m.secret.send";
const ID_BYTES = 16;

/** Asks our verified devices for every secret that is missing; which ones. */
export function requestSecrets(context: Context, again: boolean): readonly string[] {
  const devices = verifiedDevices(context);
  if (devices.length === 0) return [];
  const recent = new Set(
    context.rows
      .list("secretRequest", "")
      .filter(({ row }) => Math.abs(context.nowMs - row.atMs) < ASK_AGAIN_MS)
      .map(({ row }) => row.name),
  );
  const names = missingSecrets(context).filter((name) => again || !recent.has(name));
  for (const name of names) ask(context, name, devices);
  return names;
}

/** Asks once a device is there that may be asked, if somebody wished so. */
export function askForSecrets(context: Context): void {
  if (!crossSigningRow(context).asksForSecrets || verifiedDevices(context).length === 0) return;
  updateCrossSigning(context, { asksForSecrets: false });
  requestSecrets(context, false);
}

function ask(context: Context, name: string, devices: readonly DeviceRow[]): void {
  dropRequests(context, name);
  const id = encodeBase64(context.provider.random(ID_BYTES));
  const asked = devices.map(({ deviceId }) => deviceId);
  context.rows.put("secretRequest", "", id, { name, atMs: context.nowMs, devices: asked });
  const content = { action: "request", name, request_id: id, requesting_device_id: context.deviceId };
  toOwnDevices(context, asked, content);
}

/** Takes back what was asked before. */
function dropRequests(context: Context, name: string): void {
  for (const { item, row } of context.rows.list("secretRequest", "")) {
    if (row.name !== name) continue;
    context.rows.delete("secretRequest", "", item);
    const content = {
      action: "request_cancellation",
      request_id: item,
      requesting_device_id: context.deviceId,
    };
    toOwnDevices(context, row.devices, content);
  }
}

function toOwnDevices(context: Context, devices: readonly string[], content: JsonObject): void {
  const messages = devices.map((deviceId) => ({ userId: context.userId, deviceId, content }));
  queueToDevice(context, REQUEST, messages, {});
}

/** A decrypted `m.secret.send`; whether it was taken. */
export function receiveSecret(context: Context, message: OlmPlaintext): boolean {
  const { content } = message;
  const [id, secret] = [member(content, "request_id"), member(content, "secret")];
  if (typeof id !== "string" || typeof secret !== "string" || secret.length > SECRET_CHARS_MAX) return false;
  const row = context.rows.get("secretRequest", "", id);
  const from = verifiedSender(context, message);
  if (row === null || from === null || !row.devices.includes(from.deviceId)) return false;
  if (Math.abs(context.nowMs - row.atMs) >= REQUEST_MS) return false;
  if (!takeSecret(context, row.name, secret, { confirms: false })) return false;
  dropRequests(context, row.name);
  return true;
}

/** An `m.secret.request` of another device. It waits: that device may be about to be verified. */
export function receiveSecretRequest(context: Context, sender: string, content: JsonObject): void {
  const [action, name, id, deviceId] = ["action", "name", "request_id", "requesting_device_id"].map((key) =>
    member(content, key),
  );
  if (sender !== context.userId || typeof id !== "string" || typeof deviceId !== "string") return;
  if (id.length > REQUEST_ID_CHARS_MAX || deviceId === context.deviceId) return;
  const item = JSON.stringify([deviceId, id]);
  if (action === "request_cancellation") {
    if (context.rows.get("secretAnswer", "", item) !== null) context.rows.delete("secretAnswer", "", item);
    return;
  }
  if (action !== "request" || typeof name !== "string" || !SECRET_NAMES.includes(name)) return;
  // Of devices that are known only: whoever can send as our user can make up any number of others.
  if (context.rows.get("device", sender, deviceId) === null) return;
  if (context.rows.list("secretAnswer", "").length >= ANSWERS_MAX) return;
  context.rows.put("secretAnswer", "", item, { name, id, deviceId, atMs: context.nowMs });
}

/** Answers the requests that may be answered by now, and drops those that waited too long. */
export function answerSecretRequests(context: Context): void {
  const waiting = context.rows.list("secretAnswer", "");
  if (waiting.length === 0) return;
  const trusted = new Map(verifiedDevices(context).map((device) => [device.deviceId, device]));
  for (const { item, row } of waiting) {
    const device = trusted.get(row.deviceId);
    const held = holdsSecret(context, row.name);
    if (device !== undefined && held && sendSecret(context, device, row)) {
      context.rows.delete("secretAnswer", "", item);
    } else if (Math.abs(context.nowMs - row.atMs) >= ANSWER_MS) {
      context.rows.delete("secretAnswer", "", item);
    }
  }
}

function sendSecret(
  context: Context,
  device: DeviceRow,
  { name, id }: { readonly name: string; readonly id: string },
): boolean {
  const secret = context.rows.get("secret", "", name)?.secret;
  if (secret === undefined) return false;
  claimFor(context, [device]);
  const content = encryptForDevice(context, device, SEND, { request_id: id, secret, name });
  if (content === null) return false;
  queueToDevice(context, ENCRYPTED, [{ userId: device.userId, deviceId: device.deviceId, content }], {});
  return true;
}
