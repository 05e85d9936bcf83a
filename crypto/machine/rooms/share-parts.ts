// Sharing a room key in parts, each a call and a transaction of its own, between which the loop may turn: called again and again with the members as they are
// now, until nothing is missing.
//
//   begin --> check: may all who have the key still read? else a new key --> give: member by member --> done
//
// What was given is in rows, so whoever stops in between goes on by beginning anew; until the end the session's row says `partial`, and nothing is encrypted.
// A part that finds that devices or identities changed since the first one begins anew. Where everybody was served, the row says for which state of things,
// and as long as that holds nobody is looked at again: before every event this is one row.
import { encodeBase64 } from "../../base64.ts";
import { MegolmOutboundSession } from "../../megolm/outbound.ts";
import { encodeUtf8 } from "../../shape.ts";
import { type Context, READERS_COUNTER } from "../context.ts";
import { isAskable } from "../devices/query.ts";
import { trackUsers } from "../devices/tracking.ts";
import { SHARE_CHECK_DEVICES, SHARE_SLICE_DEVICES } from "../limits.ts";
import type { DeviceRow, OutboundRow } from "../store/store.ts";
import { recipientsAmong, requireShareable } from "./recipients.ts";
import { roomSettings } from "./settings.ts";
import {
  giveTo,
  isWornOut,
  newSession,
  retire,
  type ShareOptions,
  type ShareProgress,
  underWay,
} from "./share.ts";

/** Where it goes on. The machine's own; hold it between two calls, and no longer. Null: at the beginning. */
export type SharePlace =
  | { readonly step: "check"; readonly begun: Begun; readonly after: string | null }
  | {
      readonly step: "give";
      readonly begun: Begun;
      readonly member: number;
      /** Of that member's devices the last one that was looked at. */
      readonly device: string | null;
      readonly claims: number;
      readonly without: number;
    };

interface Begun {
  readonly sessionId: string;
  readonly readers: number;
}

export type SharePart =
  | { readonly kind: "more"; readonly place: SharePlace | null }
  | { readonly kind: "done"; readonly progress: ShareProgress };

interface Pass {
  readonly context: Context;
  readonly roomId: string;
  readonly options: ShareOptions;
}

/** All parts in one call. @throws MachineError NOT_ENCRYPTED, OWN_IDENTITY, IDENTITY_CHANGED */
export function shareRoomKey(context: Context, roomId: string, options: ShareOptions): ShareProgress {
  for (let place: SharePlace | null = null; ; ) {
    const part: SharePart = shareRoomKeyPart(context, roomId, options, place);
    if (part.kind === "done") return part.progress;
    ({ place } = part);
  }
}

/** @throws MachineError NOT_ENCRYPTED, OWN_IDENTITY, IDENTITY_CHANGED */
export function shareRoomKeyPart(
  context: Context,
  roomId: string,
  options: ShareOptions,
  place: SharePlace | null,
): SharePart {
  const pass = { context, roomId, options };
  roomSettings(context, roomId);
  const row = usable(pass);
  // Somebody left between two parts, or the key is worn out by now.
  if (place === null || row === null || place.begun.sessionId !== sessionOf(context, row).sessionId)
    return begin(pass, row);
  return place.step === "check" ? check(pass, place) : give(pass, place);
}

function usable({ context, roomId, options }: Pass): OutboundRow | null {
  const row = context.rows.get("outbound", roomId, "");
  if (row === null || isWornOut(context, roomId, row)) return null;
  return row.sharedHistory === options.sharedHistory ? row : null;
}

function sessionOf({ provider }: Context, { state }: OutboundRow): MegolmOutboundSession {
  return new MegolmOutboundSession(provider, state);
}

function begin(pass: Pass, row: OutboundRow | null): SharePart {
  const { context, options } = pass;
  requireShareable(context, options.members, options.strategy);
  if (row === null) return beginNew(pass);
  const { sessionId } = sessionOf(context, row);
  if (row.servedFor !== undefined && row.servedFor === stateOf(pass)) return done(pass, sessionId, 0);
  return check(pass, { step: "check", begun: { sessionId, readers: readersOf(context) }, after: null });
}

/** A new session; the old one is over, where there is one. */
function beginNew(pass: Pass): SharePart {
  const { context, options, roomId } = pass;
  const old = context.rows.get("outbound", roomId, "");
  if (old !== null) retire(context, sessionOf(context, old).sessionId);
  const { sessionId } = newSession(context, roomId, options.sharedHistory);
  return give(pass, firstGive({ sessionId, readers: readersOf(context) }));
}

const firstGive = (begun: Begun): Extract<SharePlace, { step: "give" }> => ({
  step: "give",
  begun,
  member: 0,
  device: null,
  claims: 0,
  without: 0,
});

/** Whether all who have the key may still read: where one may not, a new one is made. */
function check(pass: Pass, { after, begun }: Extract<SharePlace, { step: "check" }>): SharePart {
  const { context, options } = pass;
  const members = new Set(options.members);
  const page = context.rows.list("share", begun.sessionId, { after, limit: SHARE_CHECK_DEVICES });
  const given = page.filter(({ row }) => row.index !== null).map(({ item }) => item);
  const leaves = given.some((item) => {
    // The item is our own text: a pair of strings.
    const [userId, deviceId] = JSON.parse(item) as [string, string];
    const device = members.has(userId) ? context.rows.get("device", userId, deviceId) : null;
    return device === null || recipientsAmong(context, [device], options.strategy).share.length === 0;
  });
  if (leaves) return beginNew(pass);
  if (page.length < SHARE_CHECK_DEVICES) return give(pass, firstGive(begun));
  return more(pass, { step: "check", begun, after: page.at(-1)?.item ?? null });
}

/** The key for the next members' devices. */
function give(pass: Pass, place: Extract<SharePlace, { step: "give" }>): SharePart {
  const { context, options, roomId } = pass;
  const row = context.rows.get("outbound", roomId, "");
  if (row === null) return { kind: "more", place: null };
  const next = devicesFrom(pass, place);
  const recipients = recipientsAmong(context, next.devices, options.strategy);
  const { claims, without } = giveTo(context, roomId, sessionOf(context, row), recipients);
  const then = {
    ...place,
    member: next.member,
    device: next.device,
    claims: place.claims + claims,
    without: place.without + without,
  };
  if (next.member < new Set(options.members).size) return more(pass, then);
  if (readersOf(context) !== place.begun.readers) return more(pass, null);
  finish(pass, then.without === 0);
  return done(pass, place.begun.sessionId, then.claims);
}

interface Next {
  readonly devices: readonly DeviceRow[];
  readonly member: number;
  readonly device: string | null;
}

/** The devices from a place on, as many as a part takes, and the place after them. */
function devicesFrom({ context, options }: Pass, place: { member: number; device: string | null }): Next {
  const members = [...new Set(options.members)];
  const devices: DeviceRow[] = [];
  let { device, member } = place;
  while (member < members.length) {
    const userId = members[member] ?? "";
    // Whoever was never asked for would get no key, and nobody would know.
    if (device === null) trackUsers(context, [userId]);
    const limit = SHARE_SLICE_DEVICES - devices.length;
    if (limit === 0) break;
    const page = context.rows.list("device", userId, { after: device, limit });
    devices.push(...page.map(({ row }) => row));
    if (page.length === limit) {
      device = page.at(-1)?.item ?? null;
      break;
    }
    device = null;
    member += 1;
  }
  return { devices, member, device };
}

/** Until the last part nothing is encrypted. */
function more({ context, roomId }: Pass, place: SharePlace | null): SharePart {
  const row = context.rows.get("outbound", roomId, "");
  if (row !== null && row.partial !== true)
    context.rows.put("outbound", roomId, "", { ...row, partial: true });
  return { kind: "more", place };
}

function finish(pass: Pass, everybody: boolean): void {
  const { rows } = pass.context;
  const row = rows.get("outbound", pass.roomId, "");
  if (row === null) return;
  const { partial, servedFor, ...rest } = row;
  const served = everybody ? stateOf(pass) : undefined;
  if (partial !== true && servedFor === served) return;
  rows.put("outbound", pass.roomId, "", { ...rest, ...(served === undefined ? {} : { servedFor: served }) });
}

function done({ context, options }: Pass, sessionId: string, claims: number): SharePart {
  const dirty = new Set(context.rows.list("dirty", "").map(({ item }) => item));
  // Whose server does not answer is shared with later, at the index of then, and holds up nobody.
  const queries = options.members.filter((userId) => dirty.has(userId) && isAskable(context, userId)).length;
  return {
    kind: "done",
    progress: { sessionId, queries, claims, messages: underWay(context, sessionId).length },
  };
}

/** Grows with each change of a device, an identity, or who is followed. */
function readersOf({ rows }: Context): number {
  return rows.get("counter", "", READERS_COUNTER)?.next ?? 0;
}

/** All that decides who gets the key, as a hash: devices and identities, members, strategy, what the configuration says. */
function stateOf({ context, options }: Pass): string {
  const { nowMs: _, notify: __, nowReadable: ___, provider, rows: ____, ...config } = context;
  const text = JSON.stringify([readersOf(context), options, config], (_key, value: unknown) =>
    value instanceof Map || value instanceof Set ? [...(value as Iterable<unknown>)] : value,
  );
  return encodeBase64(provider.sha256(encodeUtf8(text)));
}
