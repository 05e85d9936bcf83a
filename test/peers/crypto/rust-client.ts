// An OlmMachine of matrix-sdk-crypto 0.19.1 (the code in Element) as a whole client of a homeserver, for what goes on between devices: identities,
// verification, secrets, backups. Requests go over HTTP; a test says when. Run as a child process through client.ts.
import {
  BackupDecryptionKey,
  CollectStrategy,
  DecryptionSettings,
  DeviceId,
  DeviceLists,
  EncryptionSettings,
  EventId,
  type HistoryVisibility,
  initAsync,
  OlmMachine,
  OtherUserIdentity,
  OwnUserIdentity,
  Qr,
  QrCodeScan,
  RequestType,
  RoomId,
  Sas,
  TrustRequirement,
  UserId,
  type VerificationMethod,
  type VerificationRequest,
} from "@matrix-org/matrix-sdk-crypto-wasm";
import { serve, toBytes, toText } from "./serve.ts";

await initAsync();

type Json = { [name: string]: unknown };
/** What every outgoing request has, or some kind of them. */
interface Outgoing {
  readonly id: string | undefined;
  readonly type: RequestType;
  readonly body: string;
  readonly event_type?: string;
  readonly txn_id?: string;
  readonly room_id?: string;
  readonly version?: string;
}

let machine: OlmMachine;
let url = "";
let token = "";
let since = "";
/** Whom it verifies with. */
let other: UserId;

const API = "/_matrix/client/v3";
const http = async (
  method: string,
  path: string,
  body?: string,
): Promise<{ status: number; text: string }> => {
  const init = {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body }),
  };
  const answer = await fetch(url + path, init);
  return { status: answer.status, text: await answer.text() };
};
const ok = async (method: string, path: string, body?: string): Promise<string> => {
  const { status, text } = await http(method, path, body);
  if (status !== 200) throw new Error(`${method} ${path}: ${status} ${text}`);
  return text;
};

const pathOf = (request: Outgoing): [method: string, path: string] => {
  const { event_type = "", txn_id = "", room_id = "" } = request;
  switch (request.type) {
    case RequestType.KeysUpload:
      return ["POST", "/keys/upload"];
    case RequestType.KeysQuery:
      return ["POST", "/keys/query"];
    case RequestType.KeysClaim:
      return ["POST", "/keys/claim"];
    case RequestType.ToDevice:
      return ["PUT", `/sendToDevice/${encodeURIComponent(event_type)}/${encodeURIComponent(txn_id)}`];
    case RequestType.SignatureUpload:
      return ["POST", "/keys/signatures/upload"];
    case RequestType.RoomMessage:
      return [
        "PUT",
        `/rooms/${encodeURIComponent(room_id)}/send/${event_type}/${encodeURIComponent(txn_id)}`,
      ];
    case RequestType.KeysBackup:
      return ["PUT", `/room_keys/keys?version=${request.version}`];
    default:
      throw new Error(`no path for a request of type ${request.type}`);
  }
};

const send = async (request: unknown): Promise<void> => {
  if (request === undefined || request === null) return;
  // Every request class of the package has these members.
  const outgoing = request as Outgoing;
  const [method, path] = pathOf(outgoing);
  const text = await ok(method, API + path, outgoing.body);
  if (outgoing.id !== undefined) await machine.markRequestAsSent(outgoing.id, outgoing.type, text);
};

const pump = async (): Promise<void> => {
  for (let round = 0; round < 20; round += 1) {
    const requests = await machine.outgoingRequests();
    if (requests.length === 0) return;
    for (const request of requests) await send(request);
  }
};

const objectIn = (value: unknown, ...path: string[]): Json => {
  let here = value;
  for (const step of path) here = (here as Json | undefined)?.[step];
  return (here ?? {}) as Json;
};

const settings = (): DecryptionSettings => new DecryptionSettings(TrustRequirement.Untrusted);
const users = (ids: unknown): UserId[] => (Array.isArray(ids) ? ids : []).map((id: string) => new UserId(id));

const sync = async (): Promise<void> => {
  const query = since === "" ? "" : `&since=${encodeURIComponent(since)}`;
  const body = JSON.parse(await ok("GET", `${API}/sync?timeout=0${query}`)) as Json;
  since = String(body["next_batch"]);
  const lists = objectIn(body, "device_lists");
  await machine.receiveSyncChanges(
    JSON.stringify(objectIn(body, "to_device")["events"] ?? []),
    new DeviceLists(users(lists["changed"]), users(lists["left"])),
    new Map(Object.entries(objectIn(body, "device_one_time_keys_count"))) as Map<string, number>,
    new Set((body["device_unused_fallback_key_types"] as string[] | undefined) ?? []),
    settings(),
  );
  for (const [roomId, room] of Object.entries(objectIn(body, "rooms", "join"))) {
    for (const event of (objectIn(room, "timeline")["events"] ?? []) as Json[])
      await roomEvent(roomId, event);
  }
};

const roomEvent = async (roomId: string, event: Json): Promise<void> => {
  const type = String(event["type"]);
  const request =
    type === "m.room.message" && objectIn(event, "content")["msgtype"] === "m.key.verification.request";
  if (!request && !type.startsWith("m.key.verification.")) return;
  await machine.receiveVerificationEvent(JSON.stringify({ ...event, room_id: roomId }), new RoomId(roomId));
};

/** Kept by flow: the machine forgets what is over at its next sync. */
const requests = new Map<string, VerificationRequest>();
const verifications = new Map<string, Sas | Qr>();

const request = (user: string, flow: string): VerificationRequest => {
  const found = machine.getVerificationRequest(new UserId(user), flow);
  if (found === undefined) throw new Error(`no verification request ${flow}`);
  requests.set(flow, found);
  return found;
};
const remember = (): void => {
  for (const [flow, each] of requests) {
    const verification = each.getVerification();
    if (verification !== undefined) verifications.set(flow, verification);
  }
};
const sas = (user: string, flow: string): Sas => {
  const found = machine.getVerification(new UserId(user), flow);
  if (!(found instanceof Sas)) throw new Error(`no SAS ${flow}`);
  return found;
};
const qr = (user: string, flow: string): Qr => {
  const found = machine.getVerification(new UserId(user), flow);
  if (!(found instanceof Qr)) throw new Error(`no QR verification ${flow}`);
  return found;
};

serve({
  start: async (at: string, user: string, device: string, accessToken: string, partner: string) => {
    [url, token, other] = [at, accessToken, new UserId(partner)];
    machine = await OlmMachine.initialize(new UserId(user), new DeviceId(device));
    await pump();
  },
  pump,
  sync: async () => {
    for (const each of machine.getVerificationRequests(other)) requests.set(each.flowId, each);
    remember();
    await sync();
    for (const each of machine.getVerificationRequests(other)) requests.set(each.flowId, each);
    remember();
    await pump();
  },
  track: async (ids: string[]) => {
    await machine.updateTrackedUsers(users(ids));
    await send(machine.queryKeysForUsers(users(ids)));
  },
  bootstrap: async () => {
    const made = await machine.bootstrapCrossSigning(true);
    if (made.uploadKeysRequest) await send(made.uploadKeysRequest);
    await ok("POST", `${API}/keys/device_signing/upload`, made.uploadSigningKeysRequest.body);
    await send(made.uploadSignaturesRequest);
    await pump();
    await send(machine.queryKeysForUsers([machine.userId]));
  },
  held: async () => {
    const { hasMaster, hasSelfSigning, hasUserSigning } = await machine.crossSigningStatus();
    return { master: hasMaster, selfSigning: hasSelfSigning, userSigning: hasUserSigning };
  },
  exportCrossSigning: async () => {
    const keys = await machine.exportCrossSigningKeys();
    return {
      master: keys?.masterKey,
      selfSigning: keys?.self_signing_key,
      userSigning: keys?.userSigningKey,
    };
  },
  importCrossSigning: async (master: string, selfSigning: string, userSigning: string) => {
    await machine.importCrossSigningKeys(master, selfSigning, userSigning);
    const device = await machine.getDevice(machine.userId, machine.deviceId);
    await send(await device?.verify());
  },
  device: async (user: string, device: string) => {
    const found = await machine.getDevice(new UserId(user), new DeviceId(device));
    if (found === undefined) return null;
    return { crossSigned: found.isCrossSignedByOwner(), verified: found.isVerified() };
  },
  identity: async (user: string) => {
    const found = await machine.getIdentity(new UserId(user));
    if (found === undefined) return null;
    return { verified: found.isVerified(), own: found instanceof OwnUserIdentity };
  },

  requestDevice: async (user: string, device: string, methods: VerificationMethod[]) => {
    const found = await machine.getDevice(new UserId(user), new DeviceId(device));
    if (found === undefined) throw new Error(`no device ${device}`);
    const [made, outgoing] = found.requestVerification(methods);
    await send(outgoing);
    return made.flowId;
  },
  requestOwn: async (methods: VerificationMethod[]) => {
    const found = await machine.getIdentity(machine.userId);
    if (!(found instanceof OwnUserIdentity)) throw new Error("no own identity");
    const [made, outgoing] = await found.requestVerification(methods);
    await send(outgoing);
    return made.flowId;
  },
  requestInRoom: async (user: string, room: string, methods: VerificationMethod[]) => {
    const found = await machine.getIdentity(new UserId(user));
    if (!(found instanceof OtherUserIdentity)) throw new Error(`no identity of ${user}`);
    const content = found.verificationRequestContent(methods);
    const path = `${API}/rooms/${encodeURIComponent(room)}/send/m.room.message/request${Date.now()}`;
    const { event_id } = JSON.parse(await ok("PUT", path, content)) as { event_id: string };
    return found.requestVerification(new RoomId(room), new EventId(event_id), methods).flowId;
  },
  /** The flows that it knows of, oldest first. */
  flows: () => [...requests.keys()],
  cancelCode: (flow: string) => requests.get(flow)?.cancelInfo?.cancelCode() ?? null,
  accept: (user: string, flow: string, methods: VerificationMethod[]) =>
    send(request(user, flow).acceptWithMethods(methods)),
  cancelRequest: (user: string, flow: string) => send(request(user, flow).cancel()),
  startSas: async (user: string, flow: string) => send((await request(user, flow).startSas())?.[1]),
  acceptSas: (user: string, flow: string) => send(sas(user, flow).accept()),
  shown: (user: string, flow: string) => ({
    numbers: [...(sas(user, flow).emojiIndex() ?? [])],
    decimals: [...(sas(user, flow).decimals() ?? [])],
  }),
  confirm: async (user: string, flow: string) => {
    for (const outgoing of await sas(user, flow).confirm()) await send(outgoing);
    await pump();
  },
  mismatch: (user: string, flow: string) => send(sas(user, flow).cancelWithCode("m.mismatched_sas")),
  state: (flow: string) => ({
    done: verifications.get(flow)?.isDone() ?? false,
    cancelled: verifications.get(flow)?.cancelInfo()?.cancelCode() ?? null,
  }),
  showQr: async (user: string, flow: string) => {
    const made = await request(user, flow).generateQrCode();
    return made === undefined ? null : toText(Uint8Array.from(made.toBytes()));
  },
  scanQr: async (user: string, flow: string, bytes: string) => {
    const scan = QrCodeScan.fromBytes(new Uint8ClampedArray(toBytes(bytes)));
    await send((await request(user, flow).scanQrCode(scan)).reciprocate());
  },
  confirmScanning: async (user: string, flow: string) => {
    await send(qr(user, flow).confirmScanning());
    await pump();
  },
  requestSecrets: async () => {
    const missing = await machine.requestMissingSecretsIfNeeded();
    await pump();
    return missing;
  },
  inbox: async (name: string) => [...(await machine.getSecretsFromInbox(name))],

  shareRoomKey: async (room: string, ids: string[]) => {
    const claim = await machine.getMissingSessions(users(ids));
    if (claim) await send(claim);
    const encryption = new EncryptionSettings();
    encryption.sharingStrategy = CollectStrategy.allDevices();
    for (const each of await machine.shareRoomKey(new RoomId(room), users(ids), encryption)) await send(each);
  },
  encrypt: async (room: string, type: string, content: unknown) =>
    JSON.parse(await machine.encryptRoomEvent(new RoomId(room), type, JSON.stringify(content))) as unknown,
  decrypt: async (room: string, event: unknown) => {
    const made = await machine.decryptRoomEvent(JSON.stringify(event), new RoomId(room), settings());
    return JSON.parse(made.event) as unknown;
  },
  /** Key requests of its own after an undecryptable event; answers to those of others. */
  keyRequests: (asks: boolean, answers: boolean) => {
    machine.roomKeyRequestsEnabled = asks;
    machine.roomKeyForwardingEnabled = answers;
  },
  /** Room keys that later members may be given (MSC4268). */
  shareRoomKeyWith: async (room: string, ids: string[], visibility: HistoryVisibility) => {
    const claim = await machine.getMissingSessions(users(ids));
    if (claim) await send(claim);
    const encryption = new EncryptionSettings();
    encryption.sharingStrategy = CollectStrategy.allDevices();
    encryption.historyVisibility = visibility;
    for (const each of await machine.shareRoomKey(new RoomId(room), users(ids), encryption)) await send(each);
  },
  /** Builds a bundle, uploads it, and tells a user's devices; what was told, and the ciphertext's address. */
  shareBundle: async (room: string, user: string) => {
    const bundle = await machine.buildRoomKeyBundle(new RoomId(room));
    if (bundle === undefined) return null;
    const info = bundle.mediaEncryptionInfo;
    const answer = await fetch(`${url}/_matrix/media/v3/upload`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/octet-stream" },
      body: new Uint8Array(bundle.encryptedData),
    });
    const { content_uri: at } = (await answer.json()) as { content_uri: string };
    const claim = await machine.getMissingSessions(users([user]));
    if (claim) await send(claim);
    const made = await machine.shareRoomKeyBundleData(
      new UserId(user),
      new RoomId(room),
      at,
      info,
      CollectStrategy.identityBasedStrategy(),
    );
    for (const each of made) await send(each);
    return at;
  },
  /** Fetches and takes the bundle that a user told of; null where none is known. */
  takeBundle: async (room: string, inviter: string) => {
    await send(machine.queryKeysForUsers(users([inviter])));
    const found = await machine.getReceivedRoomKeyBundleData(new RoomId(room), new UserId(inviter));
    if (found === undefined) return null;
    // What takes the bundle frees this.
    const at = found.url;
    const path = at.replace("mxc://", `${url}/_matrix/client/v1/media/download/`);
    const answer = await fetch(path, { headers: { authorization: `Bearer ${token}` } });
    await machine.receiveRoomKeyBundle(found, new Uint8Array(await answer.arrayBuffer()));
    return at;
  },
  exportRoomKeys: async () => JSON.parse(await machine.exportRoomKeys(() => true)) as unknown,

  /** A backup of its own: made, signed, uploaded; its decryption key. */
  createBackup: async () => {
    const key = BackupDecryptionKey.createRandomKey();
    const { publicKeyBase64, algorithm } = key.megolmV1PublicKey;
    const authData = { public_key: publicKeyBase64 };
    const signatures = (await machine.sign(JSON.stringify(authData))).asJSON();
    const body = { algorithm, auth_data: { ...authData, signatures: JSON.parse(signatures) as unknown } };
    const { version } = JSON.parse(await ok("POST", `${API}/room_keys/version`, JSON.stringify(body))) as {
      version: string;
    };
    await machine.saveBackupDecryptionKey(key, version);
    await machine.enableBackupV1(publicKeyBase64, version);
    return { secret: key.toBase64(), version };
  },
  backUp: async () => {
    for (let round = 0; round < 50; round += 1) {
      const outgoing = await machine.backupRoomKeys();
      if (outgoing === undefined) return;
      await send(outgoing);
    }
  },
  /** Whether it trusts the newest backup on the server. */
  verifyBackup: async () => {
    const info = JSON.parse(await ok("GET", `${API}/room_keys/version`)) as unknown;
    return (await machine.verifyBackup(info)).trusted();
  },
  /** Takes a backup's keys with its decryption key; how many. */
  restoreBackup: async (secret: string, version: string) => {
    const key = BackupDecryptionKey.fromBase64(secret);
    const { rooms } = JSON.parse(await ok("GET", `${API}/room_keys/keys?version=${version}`)) as {
      rooms: Record<string, { sessions: Record<string, { session_data: Record<string, string> }> }>;
    };
    const found = new Map<RoomId, Map<string, unknown>>();
    for (const [room, { sessions }] of Object.entries(rooms)) {
      const each = Object.entries(sessions).map(([id, { session_data: data }]): [string, unknown] => [
        id,
        JSON.parse(key.decryptV1(data["ephemeral"] ?? "", data["mac"] ?? "", data["ciphertext"] ?? "")),
      ]);
      found.set(new RoomId(room), new Map(each));
    }
    return (await machine.importBackedUpRoomKeys(found, () => undefined, version)).importedCount;
  },
});
