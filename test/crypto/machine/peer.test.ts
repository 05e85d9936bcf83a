// Two machines, ours and matrix-sdk-crypto's (the code in Element), over a homeserver that is this test.
import { afterEach, describe, expect, it } from "vitest";
import type { JsonObject } from "#crypto/shape.ts";
import type { Peer } from "#test/peers/crypto/client.ts";
import { claimFrom, startTheirMachine } from "./support/peer.ts";
import { makeOurs } from "./support/world.ts";

const THEM = "@them:example.org";
let peer: Peer | null = null;
afterEach(() => peer?.close());

const start = async () => {
  peer = startTheirMachine();
  const upload = await peer.call<JsonObject>("start", THEM, "THEIRS");
  return { peer, upload };
};

/** As a server shows a device after /keys/signatures/upload: all signatures side by side. */
const mergeSignatures = (deviceKeys: JsonObject, uploaded: JsonObject): JsonObject => {
  const signed = (uploaded[THEM] as JsonObject)["THEIRS"] as JsonObject;
  const of = (object: JsonObject): JsonObject => (object["signatures"] as JsonObject)[THEM] as JsonObject;
  return { ...deviceKeys, signatures: { [THEM]: { ...of(deviceKeys), ...of(signed) } } };
};

describe("our keys", () => {
  it.each(["one_time_keys", "fallback_keys"] as const)(
    "hold for matrix-sdk-crypto: device keys and %s",
    async (kind) => {
      const them = await start();
      const ours = makeOurs();
      const body = ours.requests("keys-upload")[0]?.body ?? {};
      const { userId, deviceId } = ours.config;
      await them.peer.call("keysQuery", [userId], {
        device_keys: { [userId]: { [deviceId]: body["device_keys"] } },
      });
      expect(await them.peer.call("device", userId, deviceId)).toEqual({ crossSigned: false });
      expect(await them.peer.call("missing", [userId])).toMatchObject({
        one_time_keys: { [userId]: { [deviceId]: "signed_curve25519" } },
      });
      await them.peer.call("claimed", { one_time_keys: { [userId]: { [deviceId]: claimFrom(body, kind) } } });
      expect(await them.peer.call("missing", [userId])).toBeNull();
    },
  );
});

describe("their keys", () => {
  it("hold for us: device keys, cross-signing keys, and their signature on the device", async () => {
    const them = await start();
    const { keys, signatures } = await them.peer.call<{ keys: JsonObject; signatures: JsonObject }>(
      "bootstrap",
    );
    const ours = makeOurs();
    ours.in((calls) => calls.trackUsers([THEM]));
    const device = mergeSignatures(them.upload["device_keys"] as JsonObject, signatures);
    ours.answerAll("keys-query", () => ({
      device_keys: { [THEM]: { THEIRS: device } },
      master_keys: { [THEM]: keys["master_key"] },
      self_signing_keys: { [THEM]: keys["self_signing_key"] },
    }));
    expect(ours.notices).toEqual([]);
    expect(ours.in((calls) => calls.devices(THEM))).toMatchObject([
      { device: { deviceId: "THEIRS" }, trust: { crossSigned: true, identity: "pinned" } },
    ]);
  });
});

/** Both know the other's device, and a key of it was claimed from our side or theirs. */
const meet = async () => {
  const them = await start();
  const ours = makeOurs();
  const body = ours.requests("keys-upload")[0]?.body ?? {};
  ours.answerAll("keys-upload", () => ({ one_time_key_counts: { signed_curve25519: 50 } }));
  const { userId, deviceId } = ours.config;
  await them.peer.call("keysQuery", [userId], {
    device_keys: { [userId]: { [deviceId]: body["device_keys"] } },
  });
  ours.in((calls) => calls.trackUsers([THEM]));
  ours.answerAll("keys-query", () => ({ device_keys: { [THEM]: { THEIRS: them.upload["device_keys"] } } }));
  return { peer: them.peer, theirs: them.upload, ours, body, userId, deviceId };
};
type Met = Awaited<ReturnType<typeof meet>>;

/** What the first request to a device holds for theirs. */
const takeMessage = ({ ours, userId }: Met): JsonObject => {
  const [request] = ours.requests("to-device");
  const messages = request?.body?.["messages"] as JsonObject;
  ours.answerAll("to-device", () => ({}));
  return { type: "m.room.encrypted", sender: userId, content: (messages[THEM] as JsonObject)["THEIRS"] };
};
const weClaim = ({ ours, theirs }: Met): void => {
  ours.in((calls) => calls.prepareSessions([THEM]));
  ours.answerAll("keys-claim", () => ({ one_time_keys: { [THEM]: { THEIRS: claimFrom(theirs) } } }));
};
const theyClaim = async ({ peer: to, body, userId, deviceId }: Met): Promise<void> => {
  await to.call("missing", [userId]);
  await to.call("claimed", { one_time_keys: { [userId]: { [deviceId]: claimFrom(body) } } });
};
const DECRYPTED_TO_DEVICE = 0;

describe("Olm messages", () => {
  it("from us are read by them, and theirs on the same session by us", async () => {
    const met = await meet();
    weClaim(met);
    met.ours.in((calls) => calls.sendToDevice(THEM, "THEIRS", "dev.petrel.test", { text: "hello" }));
    expect(await met.peer.call("receive", [takeMessage(met)])).toMatchObject([
      { type: DECRYPTED_TO_DEVICE, event: { type: "dev.petrel.test", content: { text: "hello" } } },
    ]);
    const content = await met.peer.call("encryptToDevice", met.userId, met.deviceId, "dev.petrel.test", {
      a: 1,
    });
    const event = { type: "m.room.encrypted", sender: THEM, content };
    expect(met.ours.in((calls) => calls.receiveToDevice([event, event]))).toMatchObject([
      { kind: "decrypted", message: { type: "dev.petrel.test", content: { a: 1 } } },
      { kind: "repeated" },
    ]);
  });

  it("from them begin a session that we answer on", async () => {
    const met = await meet();
    await theyClaim(met);
    const content = await met.peer.call("encryptToDevice", met.userId, met.deviceId, "dev.petrel.test", {
      a: 1,
    });
    const [result] = met.ours.in((calls) =>
      calls.receiveToDevice([{ type: "m.room.encrypted", sender: THEM, content }]),
    );
    expect(result).toMatchObject({ kind: "decrypted", message: { device: { deviceId: "THEIRS" } } });
    expect(met.ours.in((calls) => calls.prepareSessions([THEM]))).toBe(0);
    met.ours.in((calls) => calls.sendToDevice(THEM, "THEIRS", "dev.petrel.test", { b: 2 }));
    expect(await met.peer.call("receive", [takeMessage(met)])).toMatchObject([
      { type: DECRYPTED_TO_DEVICE, event: { content: { b: 2 } } },
    ]);
  });
});

const ROOM = "!room:example.org";
const eventOf = (sender: string, content: unknown, id: string): JsonObject => ({
  type: "m.room.encrypted",
  event_id: id,
  sender,
  origin_server_ts: 1,
  room_id: ROOM,
  content,
});

describe("room keys and events", () => {
  it.each([true, false])("from us are read by them; shared history: %s", async (sharedHistory) => {
    const met = await meet();
    const { ours, peer: them } = met;
    ours.in((calls) => calls.receiveRoomEncryption(ROOM, { algorithm: "m.megolm.v1.aes-sha2" }));
    const share = () =>
      ours.in((calls) => calls.shareRoomKey(ROOM, { members: [THEM], strategy: "all", sharedHistory }));
    share();
    ours.answerAll("keys-claim", () => ({ one_time_keys: { [THEM]: { THEIRS: claimFrom(met.theirs) } } }));
    share();
    await them.call("receive", [takeMessage(met)]);
    const content = ours.in((calls) => calls.encryptRoomEvent(ROOM, "dev.petrel.test", { text: "hello" }));
    expect(await them.call("decrypt", ROOM, eventOf(met.userId, content, "$1"))).toMatchObject({
      event: { type: "dev.petrel.test", content: { text: "hello" } },
    });
    expect(await them.call("historyShared")).toEqual([sharedHistory]);
  });

  it("from them are read by us", async () => {
    const met = await meet();
    const { ours, peer: them, userId, deviceId } = met;
    await theyClaim(met);
    const requests = await them.call<{ type: string; body: { messages: JsonObject } }[]>(
      "shareRoomKey",
      ROOM,
      [userId],
    );
    const events = requests.map(({ type, body }) => ({
      type,
      sender: THEM,
      content: (body.messages[userId] as JsonObject)[deviceId],
    }));
    expect(ours.in((calls) => calls.receiveToDevice(events))).toMatchObject([
      { kind: "room-key", sender: THEM },
    ]);
    const content = await them.call("encrypt", ROOM, "m.room.message", { body: "hello" });
    expect(ours.in((calls) => calls.decryptRoomEvent(ROOM, eventOf(THEM, content, "$1")))).toMatchObject({
      kind: "decrypted",
      type: "m.room.message",
      content: { body: "hello" },
      device: { deviceId: "THEIRS" },
      shield: "unsigned-device",
    });
    expect(ours.store.list("inbound", ROOM)).toMatchObject([{ row: { sharedHistory: true } }]);
  });
});
