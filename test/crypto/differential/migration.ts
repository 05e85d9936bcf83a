// matrix-sdk-crypto (WebAssembly) reads libolm pickles only in its migration. A child process: takes one JSON object on
// stdin (pickles of an account, an Olm session and an inbound group under `key`), migrates them into a store in memory,
// and answers with what the machine then says of itself.
import { text } from "node:stream/consumers";
import {
  BaseMigrationData,
  DeviceId,
  initAsync,
  Migration,
  OlmMachine,
  PickledInboundGroupSession,
  PickledSession,
  RoomId,
  StoreHandle,
  UserId,
} from "@matrix-org/matrix-sdk-crypto-wasm";

export type MigrationInput = {
  readonly key: string;
  readonly account: string;
  readonly session: string;
  readonly group: string;
  readonly senderKey: string;
  readonly signingKey: string;
};

export type MigrationAnswer = {
  readonly curve25519: string;
  readonly ed25519: string;
  /** What `exportRoomKeys` gives. */
  readonly sessions: {
    readonly room_id: string;
    readonly session_id: string;
    readonly session_key: string;
  }[];
};

const baseOf = (input: MigrationInput): BaseMigrationData => {
  const base = new BaseMigrationData();
  base.userId = new UserId("@petrel:example.org");
  base.deviceId = new DeviceId("PETREL");
  base.pickledAccount = input.account;
  return base;
};

const sessionOf = (input: MigrationInput): PickledSession => {
  const session = new PickledSession();
  session.pickle = input.session;
  session.senderKey = input.senderKey;
  session.createdUsingFallbackKey = false;
  session.creationTime = new Date(0);
  session.lastUseTime = new Date(0);
  return session;
};

const groupOf = (input: MigrationInput): PickledInboundGroupSession => {
  const group = new PickledInboundGroupSession();
  group.pickle = input.group;
  group.roomId = new RoomId("!room:example.org");
  group.senderKey = input.senderKey;
  group.senderSigningKey = input.signingKey;
  group.imported = false;
  group.backedUp = false;
  return group;
};

const migrate = async (input: MigrationInput): Promise<MigrationAnswer> => {
  const key = new Uint8Array(Buffer.from(input.key));
  const store = await StoreHandle.open(null, null);
  await Migration.migrateBaseData(baseOf(input), key, store);
  await Migration.migrateOlmSessions([sessionOf(input)], key, store);
  await Migration.migrateMegolmSessions([groupOf(input)], key, store);
  const machine = await OlmMachine.initFromStore(
    new UserId("@petrel:example.org"),
    new DeviceId("PETREL"),
    store,
  );
  const { curve25519, ed25519 } = machine.identityKeys;
  const exported = await machine.exportRoomKeys(() => true);
  // The specification's ExportedSessionData (Key exports), as JSON text.
  const sessions = JSON.parse(exported) as MigrationAnswer["sessions"];
  return { curve25519: curve25519.toBase64(), ed25519: ed25519.toBase64(), sessions };
};

if (import.meta.main) {
  await initAsync();
  // The test that started this wrote a MigrationInput.
  const input = JSON.parse(await text(process.stdin)) as MigrationInput;
  process.stdout.write(JSON.stringify(await migrate(input)));
  // The WebAssembly keeps timers of its own.
  process.exit(0);
}
