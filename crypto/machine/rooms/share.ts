// Giving a room key to the devices of a room (Client-Server API, "m.room_key", "m.room_key.withheld"): when a new one is made, who gets it from
// which message on, who is told why not. share-parts.ts goes through the members and calls this.

import { MegolmInboundSession } from "../../megolm/inbound.ts";
import { MegolmOutboundSession } from "../../megolm/outbound.ts";
import { advanceRatchet } from "../../megolm/ratchet.ts";
import type { JsonObject } from "../../shape.ts";
import { MEGOLM_ALGORITHM, ownKeys } from "../account/device-keys.ts";
import { type Context, endRequest, ownAccount, requestsUnderWay } from "../context.ts";
import { claimFor } from "../olm/claim.ts";
import { ENCRYPTED, encryptForDevice, queueToDevice, type ToDeviceMessage } from "../olm/encrypt.ts";
import { hasOlmSession } from "../olm/sessions.ts";
import { wedgedTimes } from "../olm/unwedge.ts";
import type { DeviceRow, OutboundRow, ShareRow } from "../store/store.ts";
import { keepInbound } from "./inbound.ts";
import { isBlocked, type Recipients, type SharingStrategy } from "./recipients.ts";
import { roomSettings } from "./settings.ts";
import { WITHHELD_TYPE, withheldMessage } from "./withheld.ts";

export interface ShareOptions {
  /** Everybody who may read: joined, and invited unless the history visibility is `joined`. The full list. */
  readonly members: readonly string[];
  readonly strategy: SharingStrategy;
  /** The history visibility is `shared` or `world_readable`: later members may be given the key. */
  readonly sharedHistory: boolean;
}

/** What is still under way. All zero: encrypt. */
export interface ShareProgress {
  readonly sessionId: string;
  /** Members whose devices are being asked for. */
  readonly queries: number;
  /** Devices whose keys are being claimed. */
  readonly claims: number;
  /** Requests with this room key that are not answered. */
  readonly messages: number;
}

const UNVERIFIED = {
  code: "m.unverified",
  reason: "Only devices that their owner has cross-signed get keys.",
};
const BLACKLISTED = {
  code: "m.blacklisted",
  reason: "This device is blocked by the sender's configuration.",
};
const NO_OLM = { code: "m.no_olm", reason: "Unable to establish a secure channel." };

export const nameOf = ({ userId, deviceId }: DeviceRow): string => JSON.stringify([userId, deviceId]);

/** What goes out to some of the room's devices: the key, or why not. With how many there is no session yet, and for how many one is being made. */
export function giveTo(
  context: Context,
  roomId: string,
  session: MegolmOutboundSession,
  { share, withhold }: Recipients,
): { readonly claims: number; readonly without: number } {
  const { sessionId } = session;
  const claims = claimFor(context, share);
  const keys: ToDeviceMessage[] = [];
  const refusals: ToDeviceMessage[] = [];
  let without = 0;
  for (const device of share) {
    if (hasOlmSession(context, device.curve25519)) {
      keys.push(...giveKey(context, roomId, session, device));
      continue;
    }
    without += 1;
    if (claims === 0) refusals.push(...refuseNoOlm(context, device));
  }
  for (const device of withhold) refusals.push(...refuse(context, roomId, sessionId, device));
  queueToDevice(context, ENCRYPTED, keys, { sessionId });
  queueToDevice(context, WITHHELD_TYPE, refusals, {});
  return { claims, without };
}

/** The requests that carry this room key and have no answer yet. */
export function underWay(context: Context, sessionId: string): readonly string[] {
  return requestsUnderWay(context, "to-device")
    .filter(({ detail }) => detail["sessionId"] === sessionId)
    .map(({ id }) => id);
}

/** Whether a session must not encrypt any more, for its own sake. */
export function isWornOut(context: Context, roomId: string, row: OutboundRow): boolean {
  const { rotationMs, rotationMessages } = roomSettings(context, roomId);
  const age = context.nowMs - row.createdAtMs;
  // A clock that was put back counts as age, too.
  return row.invalidated || row.messages >= rotationMessages || age >= rotationMs || age < 0;
}

/** Keys of the old session that did not leave yet stay here: whoever they were for may be the one that left. */
export function retire(context: Context, sessionId: string): void {
  for (const id of underWay(context, sessionId)) endRequest(context, { id, kind: "to-device" });
  for (const { item } of context.rows.list("share", sessionId)) {
    context.rows.delete("share", sessionId, item);
  }
}

export function newSession(context: Context, roomId: string, sharedHistory: boolean): MegolmOutboundSession {
  const session = MegolmOutboundSession.create(context.provider);
  const own = ownKeys(ownAccount(context));
  context.rows.put("outbound", roomId, "", {
    state: session.exportState(),
    createdAtMs: context.nowMs,
    messages: 0,
    sharedHistory,
    invalidated: false,
  });
  const copy = MegolmInboundSession.fromSessionKey(context.provider, session.sessionKey());
  const state = copy.exportState();
  keepInbound(
    context,
    { roomId, sessionId: session.sessionId },
    {
      state,
      owner: context.userId,
      ...own,
      sharedHistory,
      origin: "device",
      forwardedBy: null,
    },
  );
  return session;
}

/**
 * The message that gives a device the key: from the present index for one that is new; from where it first got it for one whose Olm session
 * was replaced since, which may have lost it. None where it has it.
 */
function giveKey(
  context: Context,
  roomId: string,
  session: MegolmOutboundSession,
  device: DeviceRow,
): ToDeviceMessage[] {
  const { sessionId } = session;
  const given = context.rows.get("share", sessionId, nameOf(device));
  const times = wedgedTimes(context, device);
  if (given?.index != null && given.wedgedTimes >= times) return [];
  const index = given?.index ?? session.messageIndex;
  const content = encryptForDevice(
    context,
    device,
    "m.room_key",
    keyContent(context, roomId, session, index),
  );
  if (content === null) return [];
  putShare(context, sessionId, device, { index, code: null, wedgedTimes: times });
  if (context.rows.get("share", "", nameOf(device)) !== null)
    context.rows.delete("share", "", nameOf(device));
  return [{ userId: device.userId, deviceId: device.deviceId, content }];
}

function keyContent(
  context: Context,
  roomId: string,
  session: MegolmOutboundSession,
  index: number,
): JsonObject {
  const sharedHistory = context.rows.get("outbound", roomId, "")?.sharedHistory === true;
  return {
    algorithm: MEGOLM_ALGORITHM,
    room_id: roomId,
    session_id: session.sessionId,
    session_key: sessionKeyAt(context, roomId, session, index),
    // The specification's name, and the only one that matrix-sdk-crypto reads; a third name would cost it the key.
    ...(sharedHistory ? { shared_history: true, "m.shared_history": true } : {}),
  };
}

/** The signed session key from an index on, out of our own copy, which knows the first one. */
function sessionKeyAt(
  context: Context,
  roomId: string,
  session: MegolmOutboundSession,
  index: number,
): string {
  const copy = context.rows.get("inbound", roomId, session.sessionId);
  if (copy === null || index === session.messageIndex) return session.sessionKey();
  const ratchet = advanceRatchet(context.provider, copy.state.earliest, index);
  const { signingKey } = session.exportState();
  return new MegolmOutboundSession(context.provider, { ratchet, signingKey }).sessionKey();
}

/** Tells a device once per session that it gets no key. */
function refuse(context: Context, roomId: string, sessionId: string, device: DeviceRow): ToDeviceMessage[] {
  if (context.rows.get("share", sessionId, nameOf(device)) !== null) return [];
  const why = isBlocked(context, device) ? BLACKLISTED : UNVERIFIED;
  putShare(context, sessionId, device, { index: null, code: why.code, wedgedTimes: 0 });
  return [withheldMessage(context, device, { ...why, room_id: roomId, session_id: sessionId })];
}

/** Once per device, whatever the room, until a session with it worked. */
function refuseNoOlm(context: Context, device: DeviceRow): ToDeviceMessage[] {
  if (context.rows.get("share", "", nameOf(device)) !== null) return [];
  putShare(context, "", device, { index: null, code: NO_OLM.code, wedgedTimes: 0 });
  return [withheldMessage(context, device, NO_OLM)];
}

function putShare(
  context: Context,
  sessionId: string,
  device: DeviceRow,
  share: Omit<ShareRow, "curve25519">,
): void {
  context.rows.put("share", sessionId, nameOf(device), { curve25519: device.curve25519, ...share });
}

/** The next event of the room begins a new session: somebody left, or its history visibility changed while nobody shared. */
export function invalidateRoomKey({ rows }: Context, roomId: string): void {
  const row = rows.get("outbound", roomId, "");
  if (row !== null) rows.put("outbound", roomId, "", { ...row, invalidated: true });
}
