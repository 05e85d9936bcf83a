// Room keys that come in (Client-Server API, "m.room_key"): only over Olm, only from who made them.
import { CryptoError } from "../../errors.ts";
import { MegolmInboundSession } from "../../megolm/inbound.ts";
import { member, stringMember } from "../../shape.ts";
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import type { Context } from "../context.ts";
import type { OlmPlaintext } from "../olm/check.ts";
import { type RoomKey, takeInbound } from "./inbound.ts";

/** Its names (../../exported-session.ts). */
export const SHARED_HISTORY: readonly string[] = [
  "shared_history",
  "m.shared_history",
  "org.matrix.msc3061.shared_history",
];
const WHAT = "m.room_key";

export type { RoomKey } from "./inbound.ts";

/** Takes a room key out of a checked Olm message; null, with a notice, where it does not hold. */
export function receiveRoomKey(context: Context, message: OlmPlaintext): RoomKey | null {
  const { content, sender } = message;
  try {
    return takeRoomKey(context, message);
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    const roomId = member(content, "room_id");
    context.notify({
      kind: "room-key-rejected",
      roomId: typeof roomId === "string" ? roomId : "",
      sender,
      reason: error.message,
    });
    return null;
  }
}

function takeRoomKey(context: Context, message: OlmPlaintext): RoomKey {
  const { content, sender, curve25519, ed25519 } = message;
  if (member(content, "algorithm") !== MEGOLM_ALGORITHM) {
    throw new CryptoError("UNSUPPORTED", `${WHAT}: of another algorithm than ${MEGOLM_ALGORITHM}`);
  }
  const roomId = stringMember(content, "room_id", WHAT);
  const sessionId = stringMember(content, "session_id", WHAT);
  const session = MegolmInboundSession.fromSessionKey(
    context.provider,
    stringMember(content, "session_key", WHAT),
  );
  const sharedHistory = SHARED_HISTORY.some((name) => member(content, name) === true);
  takeInbound(
    context,
    { roomId, sessionId },
    {
      state: session.exportState(),
      owner: sender,
      curve25519,
      ed25519,
      sharedHistory,
      origin: "device",
      forwardedBy: null,
    },
  );
  return { roomId, sessionId };
}
