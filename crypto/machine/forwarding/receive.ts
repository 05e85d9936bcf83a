// Forwarded keys (Client-Server API, "m.forwarded_room_key"): taken only over Olm, from a verified device of our own that we asked for this very session, while
// the request stands (CVE-2022-39246 and the like: unasked ones let a server impersonate anybody). Whose session it is stays a claim, and it never replaces
// what is known (rooms/inbound.ts).
import { CryptoError } from "../../errors.ts";
import { member, stringMember } from "../../shape.ts";
import { importSession } from "../backup/import.ts";
import type { Context } from "../context.ts";
import { verifiedSender } from "../devices/own.ts";
import type { OlmPlaintext } from "../olm/check.ts";
import type { RoomKey } from "../rooms/inbound.ts";
import { SHARED_HISTORY } from "../rooms/receive.ts";
import { standingRequest } from "./ask.ts";

const WHAT = "m.forwarded_room_key";

/** The key that was taken, or why none was. */
export function receiveForwardedKey(context: Context, message: OlmPlaintext): RoomKey | string {
  try {
    return takeForwarded(context, message);
  } catch (error) {
    if (error instanceof CryptoError) return error.message;
    throw error;
  }
}

function takeForwarded(context: Context, message: OlmPlaintext): RoomKey | string {
  const { content, sender } = message;
  const key = {
    roomId: stringMember(content, "room_id", WHAT),
    sessionId: stringMember(content, "session_id", WHAT),
  };
  const device = verifiedSender(context, message);
  if (device === null) return `${WHAT}: not from a verified device of ours`;
  if (standingRequest(context, key)?.devices.includes(device.deviceId) !== true) {
    return `${WHAT}: that device was not asked for it`;
  }
  const taken = importSession(
    context,
    {
      ...key,
      algorithm: stringMember(content, "algorithm", WHAT),
      sessionKey: stringMember(content, "session_key", WHAT),
      senderKey: stringMember(content, "sender_key", WHAT),
      senderClaimedKeys: { ed25519: stringMember(content, "sender_claimed_ed25519_key", WHAT) },
      forwardingCurve25519KeyChain: [],
      sharedHistory: SHARED_HISTORY.some((name) => member(content, name) === true),
    },
    { origin: "forwarded", forwardedBy: sender },
  );
  return taken === "known" ? `${WHAT}: no better than what is known` : key;
}
