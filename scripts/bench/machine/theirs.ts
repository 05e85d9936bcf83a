// matrix-sdk-crypto's OlmMachine (the code in Element, @matrix-org/matrix-sdk-crypto-wasm) as a contestant: in memory, its only store in Node.
import {
  CollectStrategy,
  DecryptionSettings,
  DeviceId,
  DeviceLists,
  EncryptionSettings,
  HistoryVisibility,
  initAsync,
  OlmMachine,
  RequestType,
  RoomId,
  RoomSettings,
  TrustRequirement,
  UserId,
} from "@matrix-org/matrix-sdk-crypto-wasm";
import type { JsonObject } from "#crypto/shape.ts";
import {
  type Contestant,
  clock,
  createOwnServer,
  DEVICE,
  EMPTY,
  type Machine,
  type OwnServer,
  ROTATION_MESSAGES,
  USER,
} from "./contestant.ts";
import type { Population } from "./data.ts";

const KINDS: ReadonlyMap<RequestType, string> = new Map([
  [RequestType.KeysUpload, "keys-upload"],
  [RequestType.KeysQuery, "keys-query"],
  [RequestType.KeysClaim, "keys-claim"],
  [RequestType.ToDevice, "to-device"],
  [RequestType.SignatureUpload, "signatures-upload"],
]);

const parse = (text: string): JsonObject => JSON.parse(text) as JsonObject; // a request's body

const decryption = (): DecryptionSettings => new DecryptionSettings(TrustRequirement.Untrusted);

const settle = async (machine: OlmMachine, server: OwnServer, population: Population): Promise<number> => {
  let ms = 0;
  for (;;) {
    let requests: Awaited<ReturnType<OlmMachine["outgoingRequests"]>> = [];
    ms += await clock(async () => {
      requests = await machine.outgoingRequests();
    });
    if (requests.length === 0) return ms;
    for (const { body, id, type } of requests) {
      const text = server.answer(KINDS.get(type) ?? "", parse(body), population);
      ms += await clock(() => machine.markRequestAsSent(id ?? "", type, text));
    }
  }
};

const bootstrap = async (machine: OlmMachine, server: OwnServer): Promise<void> => {
  await settle(machine, server, EMPTY);
  const made = await machine.bootstrapCrossSigning(true);
  server.answer("cross-signing-upload", parse(made.uploadSigningKeysRequest.body), EMPTY);
  const signatures = parse(made.uploadSignaturesRequest.body);
  server.answer(
    "signatures-upload",
    (signatures["signed_keys"] as JsonObject | undefined) ?? signatures,
    EMPTY,
  );
  await machine.receiveSyncChanges(
    "[]",
    new DeviceLists([new UserId(USER)]),
    new Map([["signed_curve25519", 50]]),
    new Set(["signed_curve25519"]),
    decryption(),
  );
  await settle(machine, server, EMPTY);
};

const settings = (): EncryptionSettings => {
  const made = new EncryptionSettings();
  made.sharingStrategy = CollectStrategy.identityBasedStrategy();
  made.historyVisibility = HistoryVisibility.Shared;
  made.rotationPeriodMessages = BigInt(ROTATION_MESSAGES);
  return made;
};

const users = ({ userIds }: Population): UserId[] => userIds.map((userId) => new UserId(userId));

const claim = async (machine: OlmMachine, server: OwnServer, population: Population): Promise<number> => {
  let ms = 0;
  for (;;) {
    let request: Awaited<ReturnType<OlmMachine["getMissingSessions"]>> = null;
    ms += await clock(async () => {
      request = (await machine.getMissingSessions(users(population))) ?? null;
    });
    // The compiler does not see that the callback assigned it.
    const found = request as Awaited<ReturnType<OlmMachine["getMissingSessions"]>>;
    if (found === null) return ms;
    const text = server.answer("keys-claim", parse(found.body), population);
    ms += await clock(() => machine.markRequestAsSent(found.id, RequestType.KeysClaim, text));
  }
};

const machineOf = (machine: OlmMachine, server: OwnServer): Machine => ({
  server,
  query: async (population) => {
    await machine.updateTrackedUsers(users(population));
    return settle(machine, server, population);
  },
  claim: (population) => claim(machine, server, population),
  share: async (roomId, population) => {
    await machine.setRoomSettings(new RoomId(roomId), new RoomSettings());
    return clock(async () => {
      const requests = await machine.shareRoomKey(new RoomId(roomId), users(population), settings());
      for (const { id } of requests) await machine.markRequestAsSent(id, RequestType.ToDevice, "{}");
    });
  },
  receive: (events) =>
    clock(() =>
      machine.receiveSyncChanges(
        JSON.stringify(events),
        new DeviceLists(),
        new Map([["signed_curve25519", 50]]),
        undefined,
        decryption(),
      ),
    ),
  encrypt: async (roomId, type, content) =>
    parse(await machine.encryptRoomEvent(new RoomId(roomId), type, JSON.stringify(content))),
  decrypt: async (roomId, event) =>
    parse((await machine.decryptRoomEvent(JSON.stringify(event), new RoomId(roomId), decryption())).event),
  importKeys: (text) => clock(() => machine.importExportedRoomKeys(text, () => undefined)),
  close: () => {
    machine.close();
    return Promise.resolve();
  },
});

export const theirs = async (): Promise<Contestant> => {
  await initAsync();
  return {
    name: "crypto-wasm",
    begin: async () => {
      const machine = await OlmMachine.initialize(new UserId(USER), new DeviceId(DEVICE));
      const server = createOwnServer();
      await bootstrap(machine, server);
      return machineOf(machine, server);
    },
  };
};
