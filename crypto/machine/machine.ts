// The encryption machine: begin here. Sans-I/O and synchronous: it says which requests to make (`outgoingRequests`) and takes their answers.
// It holds nothing between calls. Whoever uses it opens a transaction, calls `on` with that transaction's store, makes any number of calls,
// commits, waits until that is durable, and only then sends anything.
import { OlmAccount } from "../olm/account.ts";
import type { JsonObject } from "../shape.ts";
import { type KeyCounts, receiveKeyCounts } from "./account/counts.ts";
import { ownKeys } from "./account/device-keys.ts";
import { NO_FALLBACK } from "./account/fallback.ts";
import { republish } from "./account/upload.ts";
import { takeAnswer, takeAnswerPart } from "./answers.ts";
import { type BackupCalls, backupCalls } from "./backup/calls.ts";
import {
  type Context,
  changesReaders,
  indexRequests,
  type MachineConfig,
  nextNumber,
  ownAccount,
  READERS_COUNTER,
  type Run,
} from "./context.ts";
import { type CrossSigningCalls, crossSigningCalls } from "./cross-signing/calls.ts";
import { updateCrossSigning } from "./cross-signing/upload.ts";
import { type DeviceLists, deviceListGap, receiveDeviceLists, trackUsers } from "./devices/tracking.ts";
import {
  acknowledgeIdentity,
  confirmOwnIdentity,
  type DeviceTrust,
  deviceTrust,
  type IdentityStatus,
  identityStatus,
} from "./devices/trust.ts";
import { MachineError } from "./errors.ts";
import { requestRoomKey } from "./forwarding/ask.ts";
import { type HistoryCalls, historyCalls } from "./history/calls.ts";
import { receiveToDeviceEvents } from "./identity-messages.ts";
import type { Notice } from "./notices.ts";
import { claimFor } from "./olm/claim.ts";
import { ENCRYPTED, encryptForDevice, queueToDevice, type ToDeviceMessage } from "./olm/encrypt.ts";
import type { ToDeviceResult } from "./olm/receive.ts";
import { outgoingHeads, outgoingRequests } from "./outgoing.ts";
import type { Answer, Request, RequestHead } from "./requests.ts";
import { decryptRoomEvent } from "./rooms/decrypt.ts";
import { encryptRoomEvent } from "./rooms/encrypt.ts";
import type { RoomKey } from "./rooms/inbound.ts";
import type { DecryptOptions, RoomEventResult } from "./rooms/outcome.ts";
import { receiveRoomEncryption } from "./rooms/settings.ts";
import { invalidateRoomKey, type ShareOptions, type ShareProgress } from "./rooms/share.ts";
import { type SharePart, type SharePlace, shareRoomKey, shareRoomKeyPart } from "./rooms/share-parts.ts";
import { type SecretCalls, secretCalls } from "./secrets/calls.ts";
import type { AccountRow, DeviceRow, MachineStore } from "./store/store.ts";
import { beginWork } from "./store/work.ts";
import { type VerificationCalls, verificationCalls } from "./verification/calls.ts";

/** The machine within one transaction. A call that throws has changed nothing. */
export interface MachineCalls
  extends CrossSigningCalls,
    VerificationCalls,
    SecretCalls,
    BackupCalls,
    HistoryCalls {
  /** Makes our device's keys, unless the store has them. @throws MachineError OTHER_DEVICE */
  setUp(): { readonly curve25519: string; readonly ed25519: string };
  /** The server has logged our device out and forgotten its keys: they are uploaded again. After `setUp`. */
  republishKeys(): void;
  /** What a /sync said of our keys on the server. */
  receiveKeyCounts(counts: KeyCounts): void;
  /** Follows these users' devices from now on. */
  trackUsers(userIds: Iterable<string>): void;
  /** `device_lists` of a sync. */
  receiveDeviceLists(lists: DeviceLists): void;
  /** The syncs before `to` were lost since `from` (null: unknown). */
  deviceListGap(from: string | null, to: string): void;
  /** The to-device events of a sync, in order. */
  receiveToDevice(events: readonly unknown[]): readonly ToDeviceResult[];
  /** Sees to it that there is a session with each device of these users; how many claims are under way for that. */
  prepareSessions(userIds: readonly string[]): number;
  /**
   * An encrypted to-device message, queued with the requests. False where there is no session with the device: prepareSessions first.
   * @throws MachineError UNKNOWN_DEVICE
   */
  sendToDevice(userId: string, deviceId: string, type: string, content: JsonObject): boolean;
  /** An `m.room.encryption` state event's content. Whether the room is encrypted: once it was, it is. */
  receiveRoomEncryption(roomId: string, content: JsonObject): boolean;
  /** @throws MachineError NOT_ENCRYPTED, OWN_IDENTITY, IDENTITY_CHANGED */
  shareRoomKey(roomId: string, options: ShareOptions): ShareProgress;
  /**
   * The same in parts, from null on, so that the loop may turn between two of them: a transaction each, until it is `done`. Whoever stops in between begins anew.
   * @throws MachineError NOT_ENCRYPTED, OWN_IDENTITY, IDENTITY_CHANGED
   */
  shareRoomKeyPart(roomId: string, options: ShareOptions, place: SharePlace | null): SharePart;
  /** The room's next event begins a new session. */
  invalidateRoomKey(roomId: string): void;
  /** The content of `m.room.encrypted`. @throws MachineError NOT_ENCRYPTED, NOT_SHARED */
  encryptRoomEvent(roomId: string, type: string, content: JsonObject): JsonObject;
  decryptRoomEvent(roomId: string, event: unknown, options?: DecryptOptions): RoomEventResult;
  /** Asks our verified devices for a session that is missing, or begins too late, where `keyForwarding.asks`; whether it is a new request. */
  requestRoomKey(key: RoomKey): boolean;
  /** The devices that the server lists for a user now, and what they are worth. */
  devices(userId: string): readonly KnownDevice[];
  identityStatus(userId: string): IdentityStatus;
  /** The user's master key, unpadded base64; null when none is known. For a person to compare. */
  masterKey(userId: string): string | null;
  /** @throws MachineError UNKNOWN_USER */
  acknowledgeIdentity(userId: string): void;
  /** @throws MachineError UNKNOWN_USER, IDENTITY_CHANGED */
  confirmOwnIdentity(master: string): void;
  /** Every request under way, oldest first, new ones included. The same ones, unchanged, until they are answered. */
  outgoingRequests(): readonly Request[];
  /** The same requests without what they carry, which may be large: `request` gives one of them as a whole. */
  outgoingHeads(): readonly RequestHead[];
  /** Null where it is not under way: answered, or taken back. */
  request(requestId: string): Request | null;
  /** @throws MachineError UNKNOWN_REQUEST */
  answer(requestId: string, answer: Answer): void;
  /**
   * The same in parts, from part 0, so that the loop may turn between two of them: a transaction each, the same answer each time. Gives the number of the next part,
   * null after the last. The request is under way until then; whoever stops in between sends it again.
   * @throws MachineError UNKNOWN_REQUEST
   */
  answerPart(requestId: string, answer: Answer, part: number): number | null;
  /** What a person should hear of, from all calls since `on`. */
  readonly notices: readonly Notice[];
  /** Sessions that became readable, or from an earlier message on, in all calls since `on`: events that wait for one can be tried again. */
  readonly readable: readonly RoomKey[];
}

export interface KnownDevice {
  readonly device: DeviceRow;
  readonly trust: DeviceTrust;
}

export interface Machine {
  readonly userId: string;
  readonly deviceId: string;
  /** `nowMs`: wall time, ms since the epoch. The store must be that of the transaction under way. */
  on(store: MachineStore, nowMs: number): MachineCalls;
}

export function createMachine(config: MachineConfig): Machine {
  return {
    userId: config.userId,
    deviceId: config.deviceId,
    on: (store, nowMs) => {
      const said: Said = { notices: [], readable: [] };
      const run: Run = (work) => runCall(config, store, nowMs, said, work);
      return {
        ...crossSigningCalls(run),
        ...verificationCalls(run),
        ...secretCalls(run),
        ...backupCalls(run),
        ...historyCalls(run),
        ...said,
        setUp: () => run(setUp),
        republishKeys: () => run(republish),
        receiveKeyCounts: (counts) => run((context) => receiveKeyCounts(context, counts)),
        trackUsers: (userIds) => run((context) => trackUsers(context, userIds)),
        receiveDeviceLists: (lists) => run((context) => receiveDeviceLists(context, lists)),
        deviceListGap: (from, to) => run((context) => deviceListGap(context, from, to)),
        receiveToDevice: (events) => run((context) => receiveToDeviceEvents(context, events)),
        prepareSessions: (userIds) => run((context) => prepareSessions(context, userIds)),
        sendToDevice: (userId, deviceId, type, content) =>
          run((context) => sendToDevice(context, { userId, deviceId, content }, type)),
        receiveRoomEncryption: (roomId, content) =>
          run((context) => receiveRoomEncryption(context, roomId, content)),
        shareRoomKey: (roomId, options) => run((context) => shareRoomKey(context, roomId, options)),
        shareRoomKeyPart: (roomId, options, place) =>
          run((context) => shareRoomKeyPart(context, roomId, options, place)),
        invalidateRoomKey: (roomId) => run((context) => invalidateRoomKey(context, roomId)),
        encryptRoomEvent: (roomId, type, content) =>
          run((context) => encryptRoomEvent(context, roomId, type, content)),
        decryptRoomEvent: (roomId, event, options) =>
          run((context) => decryptRoomEvent(context, roomId, event, options)),
        requestRoomKey: (key) => run((context) => requestRoomKey(context, key)),
        devices: (userId) => run((context) => knownDevices(context, userId)),
        identityStatus: (userId) => run((context) => identityStatus(context, userId)),
        masterKey: (userId) => run(({ rows }) => rows.get("identity", "", userId)?.master ?? null),
        acknowledgeIdentity: (userId) => run((context) => acknowledgeIdentity(context, userId)),
        confirmOwnIdentity: (master) => run((context) => confirmOwnIdentity(context, master)),
        outgoingRequests: () => run(outgoingRequests),
        outgoingHeads: () => run(outgoingHeads),
        request: (requestId) => run(({ rows }) => rows.get("request", "", requestId)?.request ?? null),
        answer: (requestId, answer) => run((context) => takeAnswer(context, requestId, answer)),
        answerPart: (requestId, answer, part) =>
          run((context) => takeAnswerPart(context, requestId, answer, part)),
      };
    },
  };
}

/** What a caller is told beside the results. */
interface Said {
  readonly notices: Notice[];
  readonly readable: RoomKey[];
}

/** One call: its changes are written when it is over, its notices count then, too. */
function runCall<T>(
  config: MachineConfig,
  store: MachineStore,
  nowMs: number,
  said: Said,
  work: (context: Context) => T,
): T {
  const rows = beginWork(store);
  const notices: Notice[] = [];
  const readable: RoomKey[] = [];
  const context: Context = {
    ...config,
    rows,
    nowMs,
    notify: (notice) => notices.push(notice),
    nowReadable: (key) => readable.push(key),
  };
  const result = work(context);
  if (rows.changes().some(changesReaders)) nextNumber(context, READERS_COUNTER);
  const changes = rows.changes();
  if (changes.length > 0) store.write(changes);
  said.notices.push(...notices);
  said.readable.push(...readable);
  return result;
}

function setUp(context: Context): { readonly curve25519: string; readonly ed25519: string } {
  if (context.rows.get("account", "", "") === null) {
    context.rows.put("account", "", "", newAccount(context));
    // The signature that was given lately was another device's (store/device-tables.ts).
    if (context.rows.get("crossSigning", "", "") !== null)
      updateCrossSigning(context, { signNotBeforeMs: 0 });
  }
  indexRequests(context);
  trackUsers(context, [context.userId]);
  return ownKeys(ownAccount(context));
}

function knownDevices(context: Context, userId: string): readonly KnownDevice[] {
  return context.rows
    .list("device", userId)
    .filter(({ row }) => row.present)
    .map(({ row }) => ({ device: row, trust: deviceTrust(context, row) }));
}

function prepareSessions(context: Context, userIds: readonly string[]): number {
  return claimFor(
    context,
    userIds.flatMap((userId) => context.rows.list("device", userId).map(({ row }) => row)),
  );
}

function sendToDevice(context: Context, message: ToDeviceMessage, type: string): boolean {
  const { userId, deviceId } = message;
  const device = context.rows.get("device", userId, deviceId);
  if (device === null) {
    throw new MachineError(
      "UNKNOWN_DEVICE",
      `encryption machine: no device ${deviceId} of ${userId} is known`,
    );
  }
  const content = encryptForDevice(context, device, type, message.content);
  if (content === null) return false;
  queueToDevice(context, ENCRYPTED, [{ userId, deviceId, content }], {});
  return true;
}

function newAccount({ provider, userId, deviceId }: Context): AccountRow {
  return {
    userId,
    deviceId,
    account: OlmAccount.create(provider).exportState(),
    deviceKeysPublished: false,
    serverCount: null,
    countWasAbsent: false,
    absentMeansZero: true,
    unknownKeysReported: false,
    fallback: NO_FALLBACK,
    uploadRefusals: 0,
    uploadNotBeforeMs: 0,
  };
}
