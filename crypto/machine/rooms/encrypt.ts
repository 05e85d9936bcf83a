// Encrypting a room event (Client-Server API, "m.megolm.v1.aes-sha2"). Nothing leaves under a key that its readers do not have yet,
// and the ratchet's next state is stored in the transaction that stores the ciphertext.
import { MegolmOutboundSession } from "../../megolm/outbound.ts";
import { type JsonObject, member } from "../../shape.ts";
import { MEGOLM_ALGORITHM, ownKeys } from "../account/device-keys.ts";
import { type Context, ownAccount } from "../context.ts";
import { MachineError } from "../errors.ts";
import { roomSettings } from "./settings.ts";
import { isWornOut, underWay } from "./share.ts";

/**
 * The content of `m.room.encrypted`. Relations are copied to the outside, as servers must see them.
 * @throws MachineError NOT_ENCRYPTED, NOT_SHARED
 */
export function encryptRoomEvent(
  context: Context,
  roomId: string,
  type: string,
  content: JsonObject,
): JsonObject {
  roomSettings(context, roomId);
  const row = context.rows.get("outbound", roomId, "");
  if (row === null || isWornOut(context, roomId, row)) {
    throw notShared(roomId, "there is no room key, or its time is over");
  }
  const session = new MegolmOutboundSession(context.provider, row.state);
  if (row.partial === true) throw notShared(roomId, "not all of its devices have been looked at");
  if (underWay(context, session.sessionId).length > 0)
    throw notShared(roomId, "its room key is still on its way");
  const ciphertext = session.encrypt(JSON.stringify({ type, content, room_id: roomId }));
  const state = session.exportState();
  context.rows.put("outbound", roomId, "", { ...row, state, messages: row.messages + 1 });
  const relation = member(content, "m.relates_to");
  return {
    algorithm: MEGOLM_ALGORITHM,
    // MSC4381 does without these two; matrix-nio and the Dart SDK do not.
    sender_key: ownKeys(ownAccount(context)).curve25519,
    device_id: context.deviceId,
    session_id: session.sessionId,
    ciphertext,
    ...(relation === undefined ? {} : { "m.relates_to": relation }),
  };
}

function notShared(roomId: string, why: string): MachineError {
  return new MachineError(
    "NOT_SHARED",
    `encryption machine: cannot encrypt for ${roomId}: ${why}; call shareRoomKey and answer its requests first`,
  );
}
