// A sync of a hundred pre-key messages, decrypted ahead over several turns of the loop: nothing is stored before the transaction, all of it with it, each one-time
// key used once; and where somebody changed what it rests on, the result is the same.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Access, createAccess } from "#agent/encryption/access.ts";
import { batchOf } from "#agent/encryption/incoming.ts";
import { Rehearsals } from "#agent/encryption/rehearsal.ts";
import { encryptionMigrations } from "#agent/encryption/tables.ts";
import type { JsonObject, SyncBatch } from "#agent/matrix/types.ts";
import { openStore } from "#agent/store/open.ts";
import type { Store } from "#agent/store/store.ts";
import { createMachine } from "#crypto/machine/machine.ts";
import type { ToDeviceResult } from "#crypto/machine/olm/receive.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { makePerson, queryAnswer } from "#test/crypto/machine/support/people.ts";
import { ROOM, SETTINGS } from "#test/crypto/machine/support/room.ts";
import { makeOurs } from "#test/crypto/machine/support/world.ts";
import { KEY, runtime } from "../store/runtime.ts";

const USER = "@us:example.org";
const DEVICE = "US";
const MESSAGES = 40;

interface Scene {
  readonly store: Store;
  readonly access: Access;
  readonly rehearsals: Rehearsals;
  readonly batch: SyncBatch;
}

/** A room key under one of our one-time keys, as the server carries it. */
const keyEvent = (at: number, deviceKeys: JsonObject, oneTimeKey: readonly [string, unknown]): JsonObject => {
  const ours = makeOurs({ userId: `@sender${at}:example.org`, deviceId: "SENDER" });
  const us = makePerson(USER);
  us.devices.set(DEVICE, deviceKeys);
  const options = { members: [USER], strategy: "all", sharedHistory: false } as const;
  ours.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
  ours.answerAll("keys-upload", () => ({ one_time_key_counts: { signed_curve25519: 50 } }));
  ours.in((calls) => calls.shareRoomKey(ROOM, options));
  ours.answerAll("keys-query", () => queryAnswer(us));
  ours.in((calls) => calls.shareRoomKey(ROOM, options));
  ours.answerAll("keys-claim", () => ({
    one_time_keys: { [USER]: { [DEVICE]: Object.fromEntries([oneTimeKey]) } },
  }));
  ours.in((calls) => calls.shareRoomKey(ROOM, options));
  const [request] = ours.requests("to-device");
  const messages = request?.body?.["messages"] as Record<string, Record<string, JsonObject>>;
  return { type: "m.room.encrypted", sender: ours.config.userId, content: messages[USER]?.[DEVICE] ?? {} };
};

const open = async (): Promise<Scene> => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-rehearsal-"));
  const path = join(folder, "petrel.db");
  const store = await openStore({ path, key: KEY, migrations: [encryptionMigrations], runtime });
  onTestFinished(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const machine = createMachine({ provider: nodeProvider, userId: USER, deviceId: DEVICE });
  const access = createAccess(store, nodeProvider, machine, runtime.log, () => Date.now());
  const upload = await access.in((calls) => {
    calls.setUp();
    calls.receiveKeyCounts({ oneTimeKeys: {}, unusedFallbackTypes: [], initial: true });
    return calls.outgoingRequests().find(({ kind }) => kind === "keys-upload")?.body ?? {};
  });
  const keys = Object.entries(upload["one_time_keys"] as JsonObject);
  const toDevice = keys
    .slice(0, MESSAGES)
    .map((key, at) => keyEvent(at, upload["device_keys"] as JsonObject, key));
  const rehearsals = new Rehearsals({ access, store, timers: runtime.timers, userId: USER });
  return { store, access, rehearsals, batch: { ...batchOf([]), toDevice } };
};

/** As the sync's transaction does it. */
const commit = ({ access, batch, rehearsals, store }: Scene): Promise<readonly ToDeviceResult[]> =>
  store.transaction((database) => {
    const calls = rehearsals.callsFor(batch, database, access.on(database));
    return calls.receiveToDevice(batch.toDevice);
  });

const sessions = ({ access, store }: Scene): number =>
  store.read((database) => access.storeOf(database).list("inbound", ROOM).length);
const keysLeft = ({ access, store }: Scene): number =>
  store.read((database) => access.storeOf(database).get("account", "", "")?.account.oneTimeKeys.length ?? -1);

const expectAll = (results: readonly ToDeviceResult[]): void =>
  expect(results.map(({ kind }) => kind)).toEqual(Array.from({ length: MESSAGES }, () => "room-key"));

describe("a sync of many pre-key messages", () => {
  it("is decrypted ahead without a trace, and stored as a whole with the transaction", async () => {
    const scene = await open();
    const before = keysLeft(scene);
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 0);
    await scene.rehearsals.play(scene.batch);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(1);
    expect([sessions(scene), keysLeft(scene)]).toEqual([0, before]);
    expectAll(await commit(scene));
    expect([sessions(scene), keysLeft(scene)]).toEqual([MESSAGES, before - MESSAGES]);
    // What comes again is known.
    const again = await scene.access.in((calls) => calls.receiveToDevice(scene.batch.toDevice));
    expect(new Set(again.map(({ kind }) => kind))).toEqual(new Set(["repeated"]));
  });

  it("leaves nothing where its transaction fails, and is taken by the next one", async () => {
    const scene = await open();
    const before = keysLeft(scene);
    await scene.rehearsals.play(scene.batch);
    const failing = scene.store.transaction((database) => {
      scene.rehearsals.callsFor(scene.batch, database, scene.access.on(database));
      throw new Error("the disk is full");
    });
    await expect(failing).rejects.toThrow("the disk is full");
    expect([sessions(scene), keysLeft(scene)]).toEqual([0, before]);
    expectAll(await commit(scene));
    expect(sessions(scene)).toBe(MESSAGES);
  });

  it.each([
    ["while it is decrypted", true],
    ["between that and its transaction", false],
  ])("comes to the same where the account changes %s", async (_, during) => {
    const scene = await open();
    const before = keysLeft(scene);
    const playing = scene.rehearsals.play(scene.batch);
    if (!during) await playing;
    // A message under another one-time key, taken by another transaction: it changes the account.
    const [first = {}] = scene.batch.toDevice;
    await scene.access.in((calls) => calls.receiveToDevice([first]));
    await playing;
    const kinds = (await commit(scene)).map(({ kind }) => kind);
    expect(kinds).toEqual(["repeated", ...Array.from({ length: MESSAGES - 1 }, () => "room-key")]);
    expect([sessions(scene), keysLeft(scene)]).toEqual([MESSAGES, before - MESSAGES]);
  });
});
