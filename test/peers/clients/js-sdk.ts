// A person's client: matrix-js-sdk 43 with its Rust crypto (matrix-sdk-crypto 0.19 in WebAssembly), what Element is made of. Keys in memory. A process of its
// own behind calls (../crypto/serve.ts); it joins what it is invited to. Nothing here imports the agent.
import { Attachment, EncryptedAttachment } from "@matrix-org/matrix-sdk-crypto-wasm";
import {
  ClientEvent,
  createClient,
  EventType,
  type IEvent,
  type MatrixClient,
  MatrixEvent,
  type Room,
  RoomEvent,
  SyncState,
} from "matrix-js-sdk";
import {
  CryptoEvent,
  EventShieldColour,
  EventShieldReason,
  type GeneratedSecretStorageKey,
  type ShowSasCallbacks,
  VerificationPhase,
  type VerificationRequest,
  VerificationRequestEvent,
  type Verifier,
  VerifierEvent,
} from "matrix-js-sdk/lib/crypto-api/index.js";
import { decodeRecoveryKey } from "matrix-js-sdk/lib/crypto-api/recovery-key.js";
import { serve, toBytes, toText } from "../crypto/serve.ts";

// Answers go to stdout: whatever the libraries have to say goes elsewhere.
for (const name of ["debug", "error", "info", "log", "trace", "warn"] as const)
  console[name] = (...words: unknown[]): void =>
    void process.stderr.write(
      `${words
        .map((word) => String(word))
        .join(" ")
        .slice(0, 500)}\n`,
    );

interface Account {
  readonly url: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
  readonly password: string;
}

const WAIT_MS = 60_000;
let account: Account;
let client: MatrixClient;
let storageKey: { readonly keyId: string | null; readonly key: Uint8Array<ArrayBuffer> } | null = null;
let request: VerificationRequest | null = null;
let sas: ShowSasCallbacks | null = null;
let verified: Promise<void> | null = null;
/** Room keys that wait to be backed up; null: not said yet. */
let remaining: number | null = null;

const crypto = (): NonNullable<ReturnType<MatrixClient["getCrypto"]>> => {
  const found = client.getCrypto();
  if (found === undefined) throw new Error("no crypto");
  return found;
};

/** Asks again at each sign of life, and from time to time. */
const until = async <T>(what: string, find: () => T | null | undefined | false): Promise<T> => {
  for (const end = Date.now() + WAIT_MS; Date.now() < end; ) {
    const found = find();
    if (found !== null && found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`js-sdk: ${what}: not within ${WAIT_MS / 1000} s`);
};

const joinInvited = (room: Room): void => {
  if (room.getMyMembership() === "invite") client.joinRoom(room.roomId).catch(() => undefined);
};

const start = async (of: Account): Promise<void> => {
  account = of;
  const { accessToken, deviceId, url, userId } = of;
  client = createClient({
    baseUrl: url,
    userId,
    deviceId,
    accessToken,
    cryptoCallbacks: {
      getSecretStorageKey: ({ keys }) => {
        const keyId = storageKey?.keyId ?? Object.keys(keys)[0];
        return Promise.resolve(storageKey === null || keyId === undefined ? null : [keyId, storageKey.key]);
      },
      cacheSecretStorageKey: (keyId, _info, key) => {
        storageKey = { keyId, key };
      },
    },
  });
  await client.initRustCrypto({ useIndexedDB: false });
  client.on(RoomEvent.MyMembership, joinInvited);
  client.on(CryptoEvent.VerificationRequestReceived, (received) => {
    request = received;
  });
  client.on(CryptoEvent.KeyBackupSessionsRemaining, (left) => {
    remaining = left;
  });
  const prepared = new Promise<void>((resolve) => {
    client.on(ClientEvent.Sync, (state) => {
      if (state === SyncState.Prepared) resolve();
    });
  });
  await client.startClient({ initialSyncLimit: 100 });
  await prepared;
  for (const room of client.getRooms()) joinInvited(room);
};

/** An identity of the account's own: the password where the server asks for it. */
const bootstrapCrossSigning = (): Promise<void> =>
  crypto().bootstrapCrossSigning({
    authUploadDeviceSigningKeys: async (makeRequest) => {
      const identifier = { type: "m.id.user", user: account.userId };
      await makeRequest({ type: "m.login.password", identifier, password: account.password });
    },
  });

/** Secret storage and a key backup; the recovery key. */
const createBackup = async (): Promise<string> => {
  let made: GeneratedSecretStorageKey | null = null;
  await crypto().bootstrapSecretStorage({
    setupNewKeyBackup: true,
    createSecretStorageKey: async () => {
      made = await crypto().createRecoveryKeyFromPassphrase();
      storageKey = { keyId: null, key: made.privateKey };
      return made;
    },
  });
  await crypto().checkKeyBackupAndEnable();
  // Assigned within the callback above, which the compiler does not follow.
  return (made as GeneratedSecretStorageKey | null)?.encodedPrivateKey ?? "";
};

/** What another device of the account put into secret storage and backup, taken with the recovery key alone. */
const restoreBackup = async (recoveryKey: string): Promise<unknown> => {
  storageKey = { keyId: null, key: decodeRecoveryKey(recoveryKey) };
  // What is imported is held against the public keys, which must be known by then.
  await crypto().userHasCrossSigningKeys(account.userId, true);
  await bootstrapCrossSigning();
  await crypto().loadSessionBackupPrivateKeyFromSecretStorage();
  const { imported, total } = await crypto().restoreKeyBackup();
  const trusted = await crypto().checkKeyBackupAndEnable();
  return { imported, total, trusted: trusted?.trustInfo.trusted ?? false };
};

const shieldOf = async (event: MatrixEvent): Promise<unknown> => {
  const info = await crypto().getEncryptionInfoForEvent(event);
  if (info === null) return null;
  const { shieldColour, shieldReason } = info;
  return {
    colour: EventShieldColour[shieldColour],
    reason: shieldReason === null ? null : EventShieldReason[shieldReason],
  };
};

const shown = async (event: MatrixEvent): Promise<unknown> => {
  await client.decryptEventIfNeeded(event);
  return {
    id: event.getId(),
    sender: event.getSender(),
    type: event.getType(),
    content: event.getContent(),
    edited: event.replacingEvent() !== null,
    encrypted: event.isEncrypted(),
    failure: event.isDecryptionFailure() ? event.decryptionFailureReason : null,
    shield: await shieldOf(event),
  };
};

const roomOf = (roomId: string): Room | null => client.getRoom(roomId);

/** What the person sees of a room, oldest first. */
const events = async (roomId: string): Promise<unknown[]> => {
  const found = roomOf(roomId)?.getLiveTimeline().getEvents() ?? [];
  return Promise.all(found.map(shown));
};

/** Events as the server gave them to somebody else, read with this client's keys; null where it has none. */
const decrypt = (raw: readonly Partial<IEvent>[]): Promise<unknown[]> =>
  Promise.all(
    raw.map(async (each) => {
      const event = new MatrixEvent(each);
      await client.decryptEventIfNeeded(event);
      return event.isDecryptionFailure() ? null : { type: event.getType(), content: event.getContent() };
    }),
  );

const send = async (roomId: string, type: string, content: Record<string, unknown>): Promise<string> => {
  await until(`room ${roomId}`, () => roomOf(roomId)?.getMyMembership() === "join");
  // matrix-js-sdk types the content by the type; the caller knows what belongs together.
  return (await client.sendEvent(roomId, type as never, content as never)).event_id;
};

/** As a client sends a picture into an encrypted room: sealed, uploaded, its `file` in the message. */
const sendImage = async (roomId: string, base64: string, name: string): Promise<string> => {
  const plaintext = toBytes(base64);
  const sealed = Attachment.encrypt(plaintext);
  const { content_uri: url } = await client.uploadContent(new Blob([sealed.encryptedData.slice()]), {
    type: "application/octet-stream",
    includeFilename: false,
  });
  const file = { ...(JSON.parse(sealed.mediaEncryptionInfo ?? "{}") as object), url };
  const info = { mimetype: "image/png", size: plaintext.length };
  return send(roomId, EventType.RoomMessage, { msgtype: "m.image", body: name, file, info });
};

interface FileContent {
  readonly file?: { readonly url: string };
}

const fetchImage = async (content: FileContent): Promise<string> => {
  const { file } = content;
  if (file === undefined) throw new Error("no file in this message");
  const { url, ...info } = file;
  const address = client.mxcUrlToHttp(url, undefined, undefined, undefined, false, true, true);
  const answer = await fetch(address ?? "", { headers: { authorization: `Bearer ${account.accessToken}` } });
  if (answer.status !== 200) throw new Error(`download: status ${answer.status}`);
  const ciphertext = new Uint8Array(await answer.arrayBuffer());
  return toText(Attachment.decrypt(new EncryptedAttachment(ciphertext, JSON.stringify(info))));
};

const watch = (verifier: Verifier): void => {
  verifier.on(VerifierEvent.ShowSas, (callbacks) => {
    sas = callbacks;
  });
  verified = verifier.verify();
  verified.catch(() => undefined);
};

const phase = (): VerificationPhase | null => request?.phase ?? null;

const beginSas = async (): Promise<unknown> => {
  await until("the other side's agreement", () => phase() === VerificationPhase.Ready);
  const asked = request;
  if (asked === null) throw new Error("no verification");
  watch(await asked.startVerification("m.sas.v1"));
  return compare();
};

const compare = async (): Promise<unknown> => {
  const { sas: found } = await until("the strings to compare", () => sas);
  return { emoji: found.emoji?.map(([, name]) => name), decimals: found.decimal };
};

serve({
  start,
  bootstrapCrossSigning,
  createBackup,
  restoreBackup,
  backedUp: () => remaining,
  crossSignDevice: (deviceId: string) => crypto().crossSignDevice(deviceId),
  masterKey: () => crypto().getCrossSigningKeyId(),
  ownKey: async () => (await crypto().getOwnDeviceKeys()).ed25519,
  /** Asks to verify, in a room or another device of our own, and begins with the strings. */
  verifyUser: async (userId: string, roomId: string) => {
    sas = null;
    request = await crypto().requestVerificationDM(userId, roomId);
    return beginSas();
  },
  verifyDevice: async (userId: string, deviceId: string) => {
    sas = null;
    request = await crypto().requestDeviceVerification(userId, deviceId);
    return beginSas();
  },
  /** Agrees to what the other side asked for, which then begins. */
  acceptVerification: async () => {
    sas = null;
    const asked = await until("a request to verify", () =>
      request?.phase === VerificationPhase.Requested ? request : null,
    );
    const begun = new Promise<void>((resolve) => {
      asked.on(VerificationRequestEvent.Change, () => {
        if (asked.phase !== VerificationPhase.Started || asked.verifier === undefined || verified !== null)
          return;
        watch(asked.verifier);
        resolve();
      });
    });
    verified = null;
    await asked.accept();
    await begun;
    return compare();
  },
  confirm: async () => {
    await sas?.confirm();
    await verified;
    await until("the end of the verification", () => phase() === VerificationPhase.Done);
  },
  mismatch: () => sas?.mismatch(),
  userTrust: async (userId: string) => {
    const status = await crypto().getUserVerificationStatus(userId);
    return { verified: status.isCrossSigningVerified(), known: status.known };
  },
  deviceTrust: async (userId: string, deviceId: string) => {
    await crypto().getUserDeviceInfo([userId], true);
    const status = await crypto().getDeviceVerificationStatus(userId, deviceId);
    return status === null
      ? null
      : { signedByOwner: status.signedByOwner, crossSigned: status.crossSigningVerified };
  },
  createRoom: async (encrypted: boolean, invite: string[]) => {
    const content = { algorithm: "m.megolm.v1.aes-sha2" };
    const initial_state = encrypted ? [{ type: "m.room.encryption", state_key: "", content }] : [];
    return (await client.createRoom({ invite, initial_state, preset: "private_chat" as never })).room_id;
  },
  isEncrypted: (roomId: string) => crypto().isEncryptionEnabledInRoom(roomId),
  members: (roomId: string) =>
    roomOf(roomId)
      ?.getJoinedMembers()
      .map(({ userId }) => userId) ?? [],
  events,
  decrypt,
  send,
  sendImage,
  fetchImage,
  /** A new room key with the next event. */
  rotate: (roomId: string) => crypto().forceDiscardSession(roomId),
  stop: () => client.stopClient(),
});

// It would go on syncing for ever.
process.stdin.once("end", () => process.exit(0));
