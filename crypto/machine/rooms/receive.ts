// Room keys that come in (Client-Server API, "m.room_key", "m.room_key.withheld"): only over Olm, only from who made them.
import { CryptoError } from "../../errors.ts";
import { MegolmInboundSession } from "../../megolm/inbound.ts";
import { type JsonObject, member, stringMember } from "../../shape.ts";
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import type { Context } from "../context.ts";
import { REASON_CHARS_MAX } from "../limits.ts";
import type { OlmPlaintext } from "../olm/check.ts";
import { type RoomKey, takeInbound } from "./inbound.ts";

const SHARED_HISTORY = ["shared_history", "m.shared_history", "org.matrix.msc3061.shared_history"];
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

/** Why a key will not come. In clear, so it proves nothing: it only explains what cannot be read. */
export function receiveWithheld({ rows }: Context, content: JsonObject): void {
  const [roomId, sessionId, code, reason] = ["room_id", "session_id", "code", "reason"].map((key) =>
    member(content, key),
  );
  if (typeof roomId !== "string" || typeof sessionId !== "string" || typeof code !== "string") return;
  // Rooms that we know to be encrypted only, or anybody could fill the store.
  if (rows.get("room", roomId, "") === null || rows.get("inbound", roomId, sessionId) !== null) return;
  rows.put("withheld", roomId, sessionId, {
    code: code.slice(0, REASON_CHARS_MAX),
    reason: typeof reason === "string" ? reason.slice(0, REASON_CHARS_MAX) : "",
  });
}
