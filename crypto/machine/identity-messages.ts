// To-device messages that are about our user rather than a room: verification. They are taken here once they were read and judged (olm/receive.ts),
// and stay in the results for whoever logs them.
import type { Context } from "./context.ts";
import { receiveToDevice, type ToDeviceResult } from "./olm/receive.ts";
import { isVerificationType, receiveVerification } from "./verification/receive.ts";

export function receiveToDeviceEvents(
  context: Context,
  events: readonly unknown[],
): readonly ToDeviceResult[] {
  return events.map((event) => {
    const result = receiveToDevice(context, event);
    takeMessage(context, result);
    return result;
  });
}

function takeMessage(context: Context, result: ToDeviceResult): void {
  if (result.kind === "plain" && isVerificationType(result.type)) {
    receiveVerification(context, result.sender, result.type, result.content);
  } else if (result.kind === "decrypted" && isVerificationType(result.message.type)) {
    receiveVerification(context, result.message.sender, result.message.type, result.message.content);
  }
}
