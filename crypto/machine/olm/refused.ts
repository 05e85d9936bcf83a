// To-device messages that the server refuses for good, for their size or for one recipient (Client-Server API, PUT /sendToDevice): sent again in halves
// until it is clear which message it is, and that one is dropped with a notice. So one bad device costs nobody else a key, and nothing is sent for ever.
import { isJsonObject, member } from "../../shape.ts";
import type { Context } from "../context.ts";
import { errorCode, type Refusal } from "../refusals.ts";
import type { RequestRow } from "../store/store.ts";
import { queueToDevice, type ToDeviceMessage } from "./encrypt.ts";

/** To-device messages that are refused for good: halved until it is clear which one it is. */
export function toDeviceRefused(context: Context, row: RequestRow, refusal: Refusal): void {
  const type = eventTypeOf(row.request.path);
  const messages = messagesOf(row);
  if (messages.length > 1) {
    const middle = Math.ceil(messages.length / 2);
    queueToDevice(context, type, messages.slice(0, middle), row.detail);
    queueToDevice(context, type, messages.slice(middle), row.detail);
    return;
  }
  for (const { userId, deviceId } of messages) {
    const code = errorCode(refusal.body);
    context.notify({ kind: "message-dropped", type, userId, deviceId, status: refusal.status ?? 0, code });
  }
}

/** `/_matrix/client/v3/sendToDevice/{eventType}/{txnId}` */
function eventTypeOf(path: string): string {
  return decodeURIComponent(path.split("/")[5] ?? "");
}

function messagesOf({ request }: RequestRow): readonly ToDeviceMessage[] {
  const users = request.body === null ? undefined : member(request.body, "messages");
  if (!isJsonObject(users)) return [];
  return Object.entries(users).flatMap(([userId, devices]) =>
    Object.entries(isJsonObject(devices) ? devices : {}).flatMap(([deviceId, content]) =>
      isJsonObject(content) ? [{ userId, deviceId, content }] : [],
    ),
  );
}
