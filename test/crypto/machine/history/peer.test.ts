// Bundles of history between ours and matrix-sdk-crypto (the code in Element), both ways.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JsonObject } from "#crypto/shape.ts";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { bundleOf, take, tell, upload } from "../support/history.ts";
import type { Client } from "../support/loopback.ts";
import { meetUsers, type Theirs } from "../support/theirs.ts";

const ROOM = "!room:example.org";
/** HistoryVisibility of the package, whose enum cannot be imported without loading the WebAssembly. */
const [JOINED, SHARED] = [1, 2];
let server: Homeserver;
let client: Client;
let theirs: Theirs;
beforeEach(async () => {
  server = await startHomeserver();
  ({ client, theirs } = await meetUsers(server));
});
afterEach(async () => {
  await theirs.peer.close();
  await server.stop();
});

const event = (sender: string, content: unknown, id: string): JsonObject => ({
  type: "m.room.encrypted",
  event_id: id,
  sender,
  origin_server_ts: Date.now(),
  room_id: ROOM,
  content,
});

/** Under a key that nobody else got, which later members may have or not. */
const weSay = (body: string, sharedHistory: boolean): JsonObject => {
  const content = client.ours.in((calls) => {
    calls.receiveRoomEncryption(ROOM, { algorithm: "m.megolm.v1.aes-sha2" });
    calls.shareRoomKey(ROOM, { members: [], strategy: "all", sharedHistory });
    return calls.encryptRoomEvent(ROOM, "m.room.message", { body });
  });
  return event(client.user.userId, content, `$${body}`);
};
const theySay = async (body: string, visibility: number | undefined): Promise<JsonObject> => {
  await theirs.peer.call("shareRoomKeyWith", ROOM, [], visibility);
  const content = await theirs.peer.call("encrypt", ROOM, "m.room.message", { body });
  return event(theirs.user.userId, content, `$${body}`);
};
const decrypt = (given: JsonObject) => client.ours.in((calls) => calls.decryptRoomEvent(ROOM, given));

describe("our history", () => {
  it("is read by theirs, what may be shared of it, and not the rest", async () => {
    const [open, closed] = [weSay("open", true), weSay("closed", false)];
    const bundle = bundleOf(client, ROOM) ?? {};
    expect(bundle["room_keys"]).toHaveLength(1);
    expect(bundle["withheld"]).toMatchObject([{ code: "m.history_not_shared" }]);
    const file = await upload(server, client, bundle);
    expect(await tell(client, ROOM, theirs.user.userId, file)).toBe(1);
    await theirs.peer.call("sync");
    expect(await theirs.peer.call("takeBundle", ROOM, client.user.userId)).toBe(file["url"]);
    expect(await theirs.peer.call("decrypt", ROOM, open)).toMatchObject({ content: { body: "open" } });
    await expect(theirs.peer.call("decrypt", ROOM, closed)).rejects.toThrow();
  });

  it.each(["m.room_key_bundle", "io.element.msc4268.room_key_bundle"])(
    "is known to theirs by the name %s",
    async (type) => {
      weSay("open", true);
      const file = await upload(server, client, bundleOf(client, ROOM) ?? {});
      client.ours.in((calls) => calls.prepareSessions([theirs.user.userId]));
      await client.pump();
      client.ours.in((calls) =>
        calls.sendToDevice(theirs.user.userId, theirs.user.deviceId, type, { room_id: ROOM, file }),
      );
      await client.pump();
      await theirs.peer.call("sync");
      expect(await theirs.peer.call("takeBundle", ROOM, client.user.userId)).toBe(file["url"]);
    },
  );
});

describe("their history", () => {
  it("is read by us once we joined by their invitation, marked as passed on by them", async () => {
    const [open, closed] = [await theySay("open", SHARED), await theySay("closed", JOINED)];
    client.ours.in((calls) => calls.receiveRoomEncryption(ROOM, { algorithm: "m.megolm.v1.aes-sha2" }));
    const url = await theirs.peer.call("shareBundle", ROOM, client.user.userId);
    await client.sync();
    expect(client.ours.in((calls) => calls.wantedHistory())).toEqual([]);
    client.ours.in((calls) => calls.expectHistory(ROOM, theirs.user.userId));
    await client.pump();
    const [wanted] = client.ours.in((calls) => calls.wantedHistory());
    if (wanted === undefined) throw new Error("no bundle is there");
    expect(wanted.file["url"]).toBe(url);
    expect(await take(server, client, wanted)).toBe(1);
    expect(decrypt(open)).toMatchObject({
      kind: "decrypted",
      content: { body: "open" },
      origin: "history",
      forwardedBy: theirs.user.userId,
      authorship: "unproven",
      device: null,
    });
    expect(decrypt(closed)).toMatchObject({ cause: "withheld", code: "m.history_not_shared" });
    expect(client.ours.in((calls) => calls.wantedHistory())).toEqual([]);
  });
});
