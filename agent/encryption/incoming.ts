// What a sync brings, opened in the transaction that stores its position (DESIGN 3): to-device messages, keys, device lists, counts, rooms' settings, then the
// events of the timelines. What cannot be read yet is kept and read when its key comes, in the batch that brings it.
import type { JoinedRoom, JsonObject, RoomEvent, SyncBatch, TimelineEvent } from "#agent/matrix/types.ts";
import type { Log } from "#agent/runtime.ts";
import type { Database } from "#agent/store/store.ts";
import type { MachineCalls } from "#crypto/machine/machine.ts";
import type { ToDeviceResult } from "#crypto/machine/olm/receive.ts";
import type { RoomKey } from "#crypto/machine/rooms/inbound.ts";
import { causeCode, type RoomEventResult } from "#crypto/machine/rooms/outcome.ts";
import { isJsonObject } from "#crypto/shape.ts";
import { UNKNOWN_DEVICE_WAIT_MS } from "./limits.ts";
import {
  explain,
  forgetUndecrypted,
  keepUndecrypted,
  keptSessions,
  nameCause,
  ofCause,
  ofSession,
  type Undecrypted,
} from "./undecrypted.ts";

export const ENCRYPTED = "m.room.encrypted";
const UNKNOWN_DEVICE = "unknown-device";
const NO_ROOM: JoinedRoom = { timeline: [], state: [], truncated: false };

export interface Turn {
  readonly calls: MachineCalls;
  readonly database: Database;
  readonly nowMs: number;
  readonly log: Log;
  readonly userId: string;
}

type Readable = Extract<RoomEventResult, { kind: "decrypted" }>;

export const rawOf = ({ event }: TimelineEvent): JsonObject => ({
  type: event.type,
  event_id: event.eventId,
  sender: event.sender,
  origin_server_ts: event.originServerTs,
  content: event.content,
  unsigned: event.unsigned,
});

const readable = ({ event, provenance }: TimelineEvent, result: Readable): TimelineEvent => ({
  provenance,
  event: {
    ...event,
    type: result.type,
    // Whatever JSON was inside; what is no object holds nothing that anybody here reads.
    content: isJsonObject(result.content) ? (result.content as JsonObject) : {},
  },
  opened: { deviceId: result.device?.deviceId ?? null, shield: result.shield },
});

type Opening =
  | { readonly kind: "open"; readonly entry: TimelineEvent }
  | { readonly kind: "later"; readonly cause: string }
  | { readonly kind: "never"; readonly cause: string };

const tryOpen = ({ calls }: Turn, entry: TimelineEvent, patient: boolean): Opening => {
  const result = calls.decryptRoomEvent(entry.event.roomId, rawOf(entry));
  if (result.kind === "refused") return { kind: "never", cause: result.cause };
  if (result.kind === "undecryptable") return { kind: "later", cause: causeCode(result) ?? "" };
  // Of a key that came from elsewhere than its maker nobody ever knows the device.
  if (result.device === null && result.origin === "device" && patient) {
    // Followed from now on: who it is comes with the answer to the query.
    calls.trackUsers([entry.event.sender]);
    return { kind: "later", cause: UNKNOWN_DEVICE };
  }
  return { kind: "open", entry: readable(entry, result) };
};

/** Another device of ours may have it, where the configuration says to ask. */
const askForKey = ({ calls }: Turn, { content, roomId }: RoomEvent, cause: string): void => {
  const { session_id: sessionId } = content;
  if (/^(unknown|withheld)\b/.test(cause) && cause !== UNKNOWN_DEVICE && typeof sessionId === "string")
    calls.requestRoomKey({ roomId, sessionId });
};

const openNew = (turn: Turn, entry: TimelineEvent): TimelineEvent | null => {
  const { database, log, nowMs, userId } = turn;
  const { event, provenance } = entry;
  if (event.type !== ENCRYPTED || event.stateKey !== undefined) return entry;
  // Our own, where a server sends it back all the same.
  if (event.sender === userId) return null;
  const opening = tryOpen(turn, entry, true);
  if (opening.kind === "open") return opening.entry;
  const { cause } = opening;
  const fields = { roomId: event.roomId, eventId: event.eventId, sender: event.sender, cause };
  if (opening.kind === "never") log.warn(fields, "an encrypted event was refused");
  else {
    keepUndecrypted(database, { entry, cause, atMs: nowMs });
    if (provenance !== "initial") askForKey(turn, event, cause);
    // History is not for us; and a device that is being asked for is no news yet.
    const quiet = provenance === "initial" || cause === UNKNOWN_DEVICE;
    log[quiet ? "debug" : "warn"](fields, `an encrypted event cannot be read yet: ${explain(cause)}`);
  }
  return null;
};

const openKept = (turn: Turn, { cause, entry, atMs }: Undecrypted): TimelineEvent | null => {
  const patient = Math.abs(turn.nowMs - atMs) < UNKNOWN_DEVICE_WAIT_MS;
  const opening = tryOpen(turn, entry, patient);
  if (opening.kind === "later") {
    if (opening.cause !== cause) nameCause(turn.database, entry.event.eventId, opening.cause);
    return null;
  }
  forgetUndecrypted(turn.database, entry.event.eventId);
  return opening.kind === "open" ? opening.entry : null;
};

const present = <T>(list: readonly (T | null)[]): T[] => list.filter((item): item is T => item !== null);

/** What waited for these keys. */
export const openForKeys = (turn: Turn, keys: readonly RoomKey[]): TimelineEvent[] => {
  const distinct = new Map(keys.map((key) => [JSON.stringify([key.roomId, key.sessionId]), key]));
  return present(
    [...distinct.values()].flatMap(({ roomId, sessionId }) =>
      ofSession(turn.database, roomId, sessionId).map((kept) => openKept(turn, kept)),
    ),
  );
};

/** Sessions that somebody says will not come: what waits for them has another cause now. */
const withheld = (results: readonly ToDeviceResult[]): RoomKey[] =>
  results.flatMap((result) => {
    if (result.kind !== "plain" || result.type !== "m.room_key.withheld") return [];
    const { room_id: roomId, session_id: sessionId } = result.content;
    return typeof roomId === "string" && typeof sessionId === "string" ? [{ roomId, sessionId }] : [];
  });

/** What waited to know its device, after a query was answered or waited for long enough. */
export const openForDevices = (turn: Turn): TimelineEvent[] =>
  present(ofCause(turn.database, UNKNOWN_DEVICE).map((kept) => openKept(turn, kept)));

const takeSettings = ({ calls }: Turn, roomId: string, { state, timeline }: JoinedRoom): void => {
  for (const event of [...timeline.map((entry) => entry.event), ...state])
    if (event.type === "m.room.encryption" && event.stateKey === "")
      calls.receiveRoomEncryption(roomId, event.content);
};

/** A verification in a room, or the request for one: its sender and events as the machine wants them. */
const takeVerification = ({ calls }: Turn, { event }: TimelineEvent): void => {
  if (event.type !== "m.room.message" && !event.type.startsWith("m.key.verification.")) return;
  calls.receiveRoomVerification(event.roomId, rawOf({ event, provenance: "live" }));
};

/** Rooms with these entries added to their timelines. */
const withEntries = (joined: SyncBatch["joined"], entries: readonly TimelineEvent[]): SyncBatch["joined"] => {
  const rooms = new Map(joined);
  for (const entry of entries) {
    const room = rooms.get(entry.event.roomId) ?? NO_ROOM;
    rooms.set(entry.event.roomId, { ...room, timeline: [...room.timeline, entry] });
  }
  return rooms;
};

/** A batch of nothing but these. */
export const batchOf = (entries: readonly TimelineEvent[]): SyncBatch => ({
  nextBatch: "",
  initial: false,
  joined: withEntries(new Map(), entries),
  invited: new Map(),
  left: new Set(),
  toDevice: [],
  deviceLists: { changed: [], left: [] },
  oneTimeKeyCounts: null,
  unusedFallbackKeyTypes: null,
  accountData: [],
});

const takeKeys = ({ calls }: Turn, batch: SyncBatch): readonly ToDeviceResult[] => {
  // A position that was lost: what changed in between nobody can say.
  if (batch.initial) calls.deviceListGap(null, batch.nextBatch);
  const results = calls.receiveToDevice(batch.toDevice);
  calls.receiveDeviceLists(batch.deviceLists);
  calls.receiveKeyCounts({
    oneTimeKeys: batch.oneTimeKeyCounts,
    unusedFallbackTypes: batch.unusedFallbackKeyTypes,
    initial: batch.initial,
  });
  return results;
};

/** The batch with its events opened. `fresh`: the first one of a run, in which all that waits is tried: keys may have come while nobody looked. */
export const openBatch = (turn: Turn, batch: SyncBatch, fresh: boolean): SyncBatch => {
  const results = takeKeys(turn, batch);
  const joined = new Map<string, JoinedRoom>();
  for (const [roomId, room] of batch.joined) {
    takeSettings(turn, roomId, room);
    const timeline = present(room.timeline.map((entry) => openNew(turn, entry)));
    for (const entry of timeline) takeVerification(turn, entry);
    joined.set(roomId, { ...room, timeline });
  }
  const keys = fresh ? keptSessions(turn.database) : [...turn.calls.readable, ...withheld(results)];
  const late = [...openForKeys(turn, keys), ...openForDevices(turn)];
  return { ...batch, joined: withEntries(joined, late) };
};
