// The key backup over the loopback homeserver: made, filled, restored; by us and by matrix-sdk-crypto.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BackupEntry, backupKeysPath, readBackup } from "#crypto/machine/backup/restore.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { type Homeserver, startHomeserver, type TestUser } from "#test/homeserver/homeserver.ts";
import { type Client, inside, makeClient, secondDevice } from "../support/loopback.ts";
import { startTheirs, type Theirs } from "../support/theirs.ts";

const ROOM = "!room:localhost";
let server: Homeserver;
let user: TestUser;
let client: Client;
let theirs: Theirs | null = null;
beforeEach(async () => {
  server = await startHomeserver();
  user = await server.addUser("user");
  client = await start(user);
});
afterEach(async () => {
  await theirs?.peer.close();
  theirs = null;
  await server.stop();
});

/** A device of ours with the user's identity, where it made it. */
const start = async (as: TestUser): Promise<Client> => {
  const made = makeClient(server, as);
  made.ours.in((calls) => calls.bootstrapCrossSigning());
  made.ours.in((calls) => calls.fetchSecretStorage());
  await made.pump();
  return made;
};
const state = (of: Client = client) => of.ours.in((calls) => calls.backup());
const createBackup = async (of: Client = client, replace = false): Promise<void> => {
  of.ours.in((calls) => calls.createBackup({ replace }));
  await of.pump();
};
/** Begins sessions in so many rooms. */
const sessions = (count: number, of: Client = client): void => {
  for (let i = 0; i < count; i += 1) {
    const room = `${ROOM}${i}`;
    of.ours.in((calls) => calls.receiveRoomEncryption(room, { algorithm: "m.megolm.v1.aes-sha2" }));
    of.ours.in((calls) =>
      calls.shareRoomKey(room, { members: [user.userId], strategy: "all", sharedHistory: false }),
    );
  }
};
const encrypt = (room: string): JsonObject => ({
  type: "m.room.encrypted",
  event_id: "$1",
  room_id: room,
  sender: user.userId,
  origin_server_ts: 1,
  content: client.ours.in((calls) => calls.encryptRoomEvent(room, "m.room.message", { body: "hi" })),
});
const entries = async (of: Client): Promise<readonly BackupEntry[]> => {
  const { version } = state(of);
  return readBackup((await of.http("GET", backupKeysPath(version ?? ""))).body);
};
/** Another device of ours that opened secret storage. */
const withRecoveryKey = async (recoveryKey: string): Promise<Client> => {
  const other = await start(await secondDevice(server, user));
  other.ours.in((calls) => calls.openSecretStorage({ recoveryKey }));
  await other.pump();
  return other;
};
const storage = async (): Promise<string> => {
  const { recoveryKey } = client.ours.in((calls) => calls.createSecretStorage());
  await client.pump();
  return recoveryKey;
};

describe("a backup", () => {
  it("is none until somebody makes one", async () => {
    expect(state()).toMatchObject({ state: "none", version: null, saved: 0, waiting: 0 });
    await createBackup();
    expect(state()).toMatchObject({ state: "on", version: "1", holdsKey: true });
    expect(client.ours.notices).toEqual([]);
    expect(() => client.ours.in((calls) => calls.createBackup())).toThrow("already");
  });

  it("gets every session in batches of a hundred, those from before it too", async () => {
    sessions(150);
    expect(state()).toMatchObject({ waiting: 150 });
    await createBackup();
    expect(state()).toMatchObject({ saved: 150, waiting: 0, count: 150 });
    expect(server.countRequests({ method: "PUT", path: /room_keys\/keys/ })).toBe(2);
    sessions(151);
    await client.pump();
    expect(state()).toMatchObject({ saved: 151, waiting: 0 });
    expect(await client.pump()).toEqual([]);
  });

  it("is restored by a new device with the recovery key, in slices, and read", async () => {
    sessions(5);
    await createBackup();
    const recoveryKey = await storage();
    const event = encrypt(`${ROOM}3`);
    const other = await withRecoveryKey(recoveryKey);
    expect(state(other)).toMatchObject({ state: "on", holdsKey: true });
    const all = await entries(other);
    expect(all).toHaveLength(5);
    const restore = (slice: readonly BackupEntry[]) => other.ours.in((calls) => calls.restoreBackup(slice));
    expect(restore(all.slice(0, 2))).toEqual({ new: 2, better: 0, known: 0, failed: 0 });
    expect(restore(all)).toEqual({ new: 3, better: 0, known: 2, failed: 0 });
    expect(other.ours.in((calls) => calls.decryptRoomEvent(`${ROOM}3`, event))).toMatchObject({
      kind: "decrypted",
      content: { body: "hi" },
      shield: "authenticity-not-guaranteed",
    });
    // What came out of it is not put back.
    expect((await other.pump()).filter(({ kind }) => kind === "backup-upload")).toEqual([]);
  });

  it("damaged in part is restored for the rest", async () => {
    sessions(3);
    await createBackup();
    const all = await entries(client);
    const damaged = [
      { ...all[0], data: { ciphertext: "AAAA", mac: "A", ephemeral: "" } },
      { ...all[1], data: 7 },
    ];
    const counts = client.ours.in((calls) =>
      calls.restoreBackup([...damaged, ...all.slice(2)] as BackupEntry[]),
    );
    expect(counts).toEqual({ new: 0, better: 0, known: 1, failed: 2 });
  });

  it("cannot be restored without its key", async () => {
    sessions(1);
    await createBackup();
    const other = await start(await secondDevice(server, user));
    expect(state(other)).toMatchObject({ state: "untrusted", holdsKey: false });
    const all = await entries(other);
    expect(() => other.ours.in((calls) => calls.restoreBackup(all))).toThrow(
      expect.objectContaining({ code: "BACKUP" }),
    );
    expect(other.ours.in((calls) => calls.useBackupKey("EsT0 wrong"))).toBe(false);
  });
});

describe("a backup that changed", () => {
  it("refused by version is left, and the next one gets everything", async () => {
    sessions(3);
    await createBackup();
    const recoveryKey = await storage();
    const other = await withRecoveryKey(recoveryKey);
    await createBackup(other, true);
    expect(state(other)).toMatchObject({ version: "2" });
    sessions(4);
    await client.pump();
    // The new key is signed by the identity: trusted, though its private half is not here.
    expect(state()).toMatchObject({ state: "on", version: "2", holdsKey: false, saved: 4, waiting: 0 });
    expect(client.ours.notices).toContainEqual({ kind: "backup-changed", version: "2", trusted: true });
  });

  it("to a key that nobody of us signed gets nothing", async () => {
    sessions(2);
    await createBackup();
    const body = {
      algorithm: "m.megolm_backup.v1.curve25519-aes-sha2",
      auth_data: { public_key: "CQ".padEnd(43, "A") },
    };
    await client.http("POST", "/_matrix/client/v3/room_keys/version", body);
    sessions(3);
    await client.pump();
    expect(state()).toMatchObject({ state: "untrusted", version: "2", saved: 0, waiting: 3 });
    expect(inside((await client.http("GET", backupKeysPath("2"))).body, "rooms")).toEqual({});
    expect(client.ours.notices).toContainEqual({ kind: "backup-changed", version: "2", trusted: false });
  });

  it("to another kind is said to be one", async () => {
    const body = { algorithm: "m.other", auth_data: {} };
    await client.http("POST", "/_matrix/client/v3/room_keys/version", body);
    client.ours.in((calls) => calls.checkBackup());
    await client.pump();
    expect(state()).toMatchObject({ state: "unreadable" });
  });

  it("that is gone is noticed, and its sessions wait for the next", async () => {
    sessions(2);
    await createBackup();
    await client.http("DELETE", "/_matrix/client/v3/room_keys/version/1");
    sessions(3);
    await client.pump();
    expect(state()).toMatchObject({ state: "none", version: null });
    await createBackup();
    client.ours.nowMs += 900_000;
    await client.pump();
    expect(state()).toMatchObject({ state: "on", version: "2", saved: 3, waiting: 0 });
  });

  it("an upload that is refused for another reason is told, and tried again later", async () => {
    await createBackup();
    sessions(1);
    server.fault({
      kind: "status",
      status: 400,
      body: { errcode: "M_BAD_JSON" },
      match: { method: "PUT", path: /room_keys\/keys/ },
    });
    await client.pump();
    expect(client.ours.notices).toEqual([{ kind: "backup-refused", error: "400 M_BAD_JSON" }]);
    expect(server.countRequests({ method: "PUT", path: /room_keys\/keys/ })).toBe(1);
    server.clearFaults();
    client.ours.nowMs += 900_000;
    await client.pump();
    expect(state()).toMatchObject({ saved: 1, waiting: 0 });
  });
});

describe("with matrix-sdk-crypto", () => {
  it("a backup of ours is trusted and restored by theirs", async () => {
    sessions(2);
    await createBackup();
    const secret = (name: string) => client.ours.store.get("secret", "", name)?.secret;
    const event = encrypt(`${ROOM}1`);
    theirs = await startTheirs(server, await secondDevice(server, user), user.userId);
    await theirs.peer.call("track", [user.userId]);
    const [master, self, other] = ["master", "self_signing", "user_signing"].map((usage) =>
      secret(`m.cross_signing.${usage}`),
    );
    await theirs.peer.call("importCrossSigning", master, self, other);
    expect(await theirs.peer.call("verifyBackup")).toBe(true);
    expect(await theirs.peer.call("restoreBackup", secret("m.megolm_backup.v1"), "1")).toBe(2);
    expect(await theirs.peer.call("decrypt", `${ROOM}1`, event)).toMatchObject({ content: { body: "hi" } });
  });

  it("a backup of theirs is trusted and restored by us", async () => {
    const fresh = await server.addUser("fresh");
    theirs = await startTheirs(server, fresh, fresh.userId);
    await theirs.peer.call("bootstrap");
    await theirs.peer.call("track", [fresh.userId]);
    const { secret } = await theirs.peer.call<{ secret: string }>("createBackup");
    await theirs.peer.call("shareRoomKey", ROOM, [fresh.userId]);
    const content = await theirs.peer.call<JsonObject>("encrypt", ROOM, "m.room.message", { body: "theirs" });
    await theirs.peer.call("backUp");
    const ours = await start(await secondDevice(server, fresh));
    expect(state(ours)).toMatchObject({ state: "untrusted" });
    ours.ours.store.write([{ table: "secret", group: "", item: "m.megolm_backup.v1", row: { secret } }]);
    expect(state(ours)).toMatchObject({ state: "on", holdsKey: true });
    const all = await entries(ours);
    expect(ours.ours.in((calls) => calls.restoreBackup(all))).toMatchObject({ new: 1, failed: 0 });
    const event = {
      type: "m.room.encrypted",
      event_id: "$2",
      sender: fresh.userId,
      origin_server_ts: 1,
      content,
    };
    expect(ours.ours.in((calls) => calls.decryptRoomEvent(ROOM, event))).toMatchObject({
      kind: "decrypted",
      content: { body: "theirs" },
    });
  });
});
