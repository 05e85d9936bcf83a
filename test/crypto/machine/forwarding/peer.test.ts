// Keys that are asked for, between a device of ours and one of matrix-sdk-crypto (the code in Element), both ways.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RoomEventResult } from "#crypto/machine/rooms/outcome.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import type { Client } from "../support/loopback.ts";
import { exchange, type Theirs, verifyDevices } from "../support/theirs.ts";

const ROOM = "!room:example.org";
const BOTH = { keyForwarding: { asks: true, answers: true } };
let server: Homeserver;
let theirs: Theirs | null = null;
beforeEach(async () => {
  server = await startHomeserver();
});
afterEach(async () => {
  await theirs?.peer.close();
  theirs = null;
  await server.stop();
});

const event = (sender: string, content: unknown): JsonObject => ({
  type: "m.room.encrypted",
  event_id: "$1",
  sender,
  origin_server_ts: Date.now(),
  room_id: ROOM,
  content,
});
const decrypt = ({ ours }: Client, given: JsonObject): RoomEventResult =>
  ours.in((calls) => calls.decryptRoomEvent(ROOM, given));

/** Something under a key that only their device has. */
const theySay = async ({ client }: { client: Client }): Promise<JsonObject> => {
  await theirs?.peer.call("shareRoomKey", ROOM, []);
  const content = await theirs?.peer.call("encrypt", ROOM, "m.room.message", { body: "hello" });
  return event(client.user.userId, content);
};

/** Something under a key that only our device has. */
const weSay = (client: Client): JsonObject => {
  const { ours, user } = client;
  ours.in((calls) => {
    calls.receiveRoomEncryption(ROOM, { algorithm: "m.megolm.v1.aes-sha2" });
    calls.shareRoomKey(ROOM, { members: [], strategy: "all", sharedHistory: false });
  });
  return event(
    user.userId,
    ours.in((calls) => calls.encryptRoomEvent(ROOM, "m.room.message", { body: "hello" })),
  );
};
const requestsTo = (client: Client, type: string): Promise<readonly string[]> =>
  client
    .pump()
    .then((sent) =>
      sent.filter(({ path }) => path.includes(`/${type}/`)).map(({ body }) => JSON.stringify(body)),
    );

describe("a key that we lack", () => {
  it("is asked of their verified device, comes, is marked as forwarded, and the request is taken back", async () => {
    const met = await verifyDevices(server, "theirs", BOTH);
    theirs = met.theirs;
    const { client } = met;
    await theirs.peer.call("keyRequests", false, true);
    const said = await theySay(met);
    const missing = decrypt(client, said);
    expect(missing).toMatchObject({ kind: "undecryptable", cause: "unknown-session" });
    const sessionId = missing.kind === "undecryptable" ? missing.sessionId : "";
    const key = { roomId: ROOM, sessionId };
    expect(client.ours.in((calls) => calls.requestRoomKey(key))).toBe(true);
    expect(client.ours.in((calls) => calls.requestRoomKey(key))).toBe(false);
    await client.pump();
    await theirs.peer.call("sync");
    await client.sync();
    expect(decrypt(client, said)).toMatchObject({
      kind: "decrypted",
      content: { body: "hello" },
      authorship: "unproven",
      shield: "authenticity-not-guaranteed",
      origin: "forwarded",
      forwardedBy: client.user.userId,
      device: null,
    });
    expect(client.ours.store.list("keyRequest", "")).toEqual([]);
    const cancellations = await requestsTo(client, "m.room_key_request");
    expect(cancellations).toHaveLength(1);
    expect(cancellations[0]).toContain("request_cancellation");
  });

  it("is not asked for where that is not configured, which is the default", async () => {
    const met = await verifyDevices(server, "theirs");
    theirs = met.theirs;
    const said = await theySay(met);
    const missing = decrypt(met.client, said);
    const sessionId = missing.kind === "undecryptable" ? missing.sessionId : "";
    expect(met.client.ours.in((calls) => calls.requestRoomKey({ roomId: ROOM, sessionId }))).toBe(false);
    expect(await requestsTo(met.client, "m.room_key_request")).toEqual([]);
  });
});

describe("a key that they lack", () => {
  const asked = async (client: Client, their: Theirs): Promise<JsonObject> => {
    await their.peer.call("keyRequests", true, false);
    const said = weSay(client);
    await expect(their.peer.call("decrypt", ROOM, said)).rejects.toThrow();
    await their.peer.call("pump");
    await exchange(client, their, 2);
    return said;
  };

  it("goes to their verified device, which reads with it", async () => {
    const met = await verifyDevices(server, "ours", BOTH);
    theirs = met.theirs;
    const said = await asked(met.client, theirs);
    expect(await theirs.peer.call("decrypt", ROOM, said)).toMatchObject({ content: { body: "hello" } });
  });

  it("does not go there where that is not configured, which is the default", async () => {
    const met = await verifyDevices(server, "ours");
    theirs = met.theirs;
    const said = await asked(met.client, theirs);
    await expect(theirs.peer.call("decrypt", ROOM, said)).rejects.toThrow();
    expect(met.client.ours.store.list("keyAnswer", "")).toEqual([]);
  });
});
