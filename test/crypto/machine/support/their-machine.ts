// An OlmMachine of matrix-sdk-crypto 0.19.1 (@matrix-org/matrix-sdk-crypto-wasm 18.9.0) as the other party: keys, Olm, Megolm. The test is the
// homeserver. Run as a child process through #test/peers/crypto/client.ts.
import {
  CollectStrategy,
  DecryptionSettings,
  DehydratedDeviceKey,
  DeviceId,
  DeviceLists,
  EncryptionSettings,
  HistoryVisibility,
  initAsync,
  type KeysClaimRequest,
  OlmMachine,
  RequestType,
  RoomId,
  type ToDeviceRequest,
  TrustRequirement,
  UserId,
} from "@matrix-org/matrix-sdk-crypto-wasm";
import { serve } from "#test/peers/crypto/serve.ts";

await initAsync();

let started: OlmMachine | null = null;
const machine = (): OlmMachine => {
  if (started === null) throw new Error("no machine was started");
  return started;
};

const done = async (
  request: { readonly id: string | undefined },
  type: RequestType,
  body: unknown,
): Promise<void> => {
  await machine().markRequestAsSent(request.id ?? "", type, JSON.stringify(body));
};

const settings = (): DecryptionSettings => new DecryptionSettings(TrustRequirement.Untrusted);

let pickleKey: DehydratedDeviceKey | null = null;
let claim: KeysClaimRequest | null = null;

serve({
  start: async (user: string, device: string) => {
    started = await OlmMachine.initialize(new UserId(user), new DeviceId(device));
    const upload = (await machine().outgoingRequests()).find((each) => each.type === RequestType.KeysUpload);
    if (upload === undefined) throw new Error("no upload");
    await done(upload, RequestType.KeysUpload, { one_time_key_counts: { signed_curve25519: 50 } });
    return JSON.parse(upload.body) as unknown;
  },
  bootstrap: async () => {
    const made = await machine().bootstrapCrossSigning(true);
    return {
      keys: JSON.parse(made.uploadSigningKeysRequest.body) as unknown,
      signatures: JSON.parse(made.uploadSignaturesRequest.body) as unknown,
    };
  },
  keysQuery: async (users: string[], response: unknown) => {
    await machine().updateTrackedUsers(users.map((user) => new UserId(user)));
    await done(
      machine().queryKeysForUsers(users.map((user) => new UserId(user))),
      RequestType.KeysQuery,
      response,
    );
  },
  device: async (user: string, device: string) => {
    const found = await machine().getDevice(new UserId(user), new DeviceId(device));
    return found === undefined ? null : { crossSigned: found.isCrossSignedByOwner() };
  },
  /** The claim that it wants for these users, as the body of /keys/claim; null when it has sessions with all. */
  missing: async (users: string[]) => {
    claim = (await machine().getMissingSessions(users.map((user) => new UserId(user)))) ?? null;
    return claim === null ? null : (JSON.parse(claim.body) as unknown);
  },
  claimed: async (response: unknown) => {
    if (claim === null) throw new Error("nothing was claimed");
    await done(claim, RequestType.KeysClaim, response);
    return (await machine().getMissingSessions([])) === null;
  },
  /** What became of to-device events. */
  receive: async (events: unknown[]) => {
    const processed = await machine().receiveSyncChanges(
      JSON.stringify(events),
      new DeviceLists(),
      new Map(),
      undefined,
      settings(),
    );
    return processed.map((each) => ({ type: each.type, event: JSON.parse(each.rawEvent) as unknown }));
  },
  encryptToDevice: async (user: string, device: string, type: string, content: unknown) => {
    const found = await machine().getDevice(new UserId(user), new DeviceId(device));
    if (found === undefined) throw new Error(`no device ${device}`);
    const text = await found.encryptToDeviceEvent(type, content, CollectStrategy.allDevices());
    return JSON.parse(text) as unknown;
  },
  shareRoomKey: async (room: string, users: string[]) => {
    const encryption = new EncryptionSettings();
    encryption.sharingStrategy = CollectStrategy.allDevices();
    encryption.historyVisibility = HistoryVisibility.Shared;
    const requests: ToDeviceRequest[] = await machine().shareRoomKey(
      new RoomId(room),
      users.map((user) => new UserId(user)),
      encryption,
    );
    for (const request of requests) await done(request, RequestType.ToDevice, {});
    return requests.map((each) => ({ type: each.event_type, body: JSON.parse(each.body) as unknown }));
  },
  encrypt: async (room: string, type: string, content: unknown) =>
    JSON.parse(await machine().encryptRoomEvent(new RoomId(room), type, JSON.stringify(content))) as unknown,
  decrypt: async (room: string, event: unknown) => {
    const made = await machine().decryptRoomEvent(JSON.stringify(event), new RoomId(room), settings());
    return { event: JSON.parse(made.event) as unknown, shield: made.shieldState(true).code ?? null };
  },
  /** A dehydrated device (MSC3814): the body of its upload. */
  dehydrate: async () => {
    const made = await machine().dehydratedDevices().create();
    const key = DehydratedDeviceKey.createRandomKey();
    const request = await made.keysForUpload("Dehydrated", key);
    pickleKey = key;
    return JSON.parse(request.body) as unknown;
  },
  /** Wakes it up and lets it read; how many room keys it got. */
  rehydrate: async (deviceId: string, data: unknown, events: unknown[]) => {
    if (pickleKey === null) throw new Error("nothing was dehydrated");
    const device = await machine()
      .dehydratedDevices()
      .rehydrate(pickleKey, new DeviceId(deviceId), JSON.stringify(data));
    return (await device.receiveEvents(JSON.stringify(events), settings())).length;
  },
  historyShared: async () => {
    const keys = JSON.parse(await machine().exportRoomKeys(() => true)) as { [name: string]: unknown }[];
    return keys.map((each) => each["m.shared_history"] ?? each["shared_history"] ?? false);
  },
});
