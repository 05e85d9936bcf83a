// Dehydrated devices (MSC3814) as recipients: one that matrix-sdk-crypto makes waits in the device list, gets room keys, and reads them once it is woken up.
import { afterEach, expect, it } from "vitest";
import type { JsonObject } from "#crypto/shape.ts";
import type { Peer } from "#test/peers/crypto/client.ts";
import { claimFrom, startTheirMachine } from "./support/peer.ts";
import { makeOurs } from "./support/world.ts";

const THEM = "@them:example.org";
const ROOM = "!room:example.org";
let peer: Peer | null = null;
afterEach(() => peer?.close());

it("a dehydrated device of another user gets the room's keys, and reads with them once it is woken up", async () => {
  peer = startTheirMachine();
  await peer.call("start", THEM, "THEIRS");
  const { keys } = await peer.call<{ keys: JsonObject }>("bootstrap");
  const upload = await peer.call<JsonObject>("dehydrate");
  const deviceId = String(upload["device_id"]);
  const ours = makeOurs();
  ours.in((calls) => {
    calls.trackUsers([THEM]);
    calls.receiveRoomEncryption(ROOM, { algorithm: "m.megolm.v1.aes-sha2" });
  });
  ours.answerAll("keys-upload", () => ({ one_time_key_counts: { signed_curve25519: 50 } }));
  ours.answerAll("keys-query", () => ({
    device_keys: { [THEM]: { [deviceId]: upload["device_keys"] } },
    master_keys: { [THEM]: keys["master_key"] },
    self_signing_keys: { [THEM]: keys["self_signing_key"] },
  }));
  expect(ours.in((calls) => calls.devices(THEM))).toMatchObject([
    { device: { deviceId, dehydrated: true }, trust: { crossSigned: true } },
  ]);
  const share = () =>
    ours.in((calls) => calls.shareRoomKey(ROOM, { members: [THEM], strategy: "all", sharedHistory: false }));
  share();
  ours.answerAll("keys-claim", () => ({ one_time_keys: { [THEM]: { [deviceId]: claimFrom(upload) } } }));
  share();
  const [request] = ours.requests("to-device");
  const messages = request?.body?.["messages"] as JsonObject; // what `queueToDevice` makes
  const content = (messages[THEM] as JsonObject)[deviceId]; // and so is this
  ours.answerAll("to-device", () => ({}));
  const encrypted = ours.in((calls) => calls.encryptRoomEvent(ROOM, "m.room.message", { body: "hello" }));
  const event = {
    type: "m.room.encrypted",
    event_id: "$1",
    sender: ours.config.userId,
    origin_server_ts: 1,
    room_id: ROOM,
    content: encrypted,
  };
  await expect(peer.call("decrypt", ROOM, event)).rejects.toThrow();
  const told = { type: "m.room.encrypted", sender: ours.config.userId, content };
  expect(await peer.call("rehydrate", deviceId, upload["device_data"], [told])).toBe(1);
  expect(await peer.call("decrypt", ROOM, event)).toMatchObject({ event: { content: { body: "hello" } } });
});

it("a dehydrated device is asked for nothing: nobody sits at it who could answer", async () => {
  peer = startTheirMachine();
  await peer.call("start", THEM, "THEIRS");
  await peer.call("bootstrap");
  const upload = await peer.call<JsonObject>("dehydrate");
  const ours = makeOurs({ userId: THEM, deviceId: "OURS", keyForwarding: { asks: true, answers: true } });
  ours.answerAll("keys-upload", () => ({ one_time_key_counts: { signed_curve25519: 50 } }));
  ours.answerAll("keys-query", () => ({
    device_keys: { [THEM]: { [String(upload["device_id"])]: upload["device_keys"] } },
  }));
  ours.in((calls) => calls.requestRoomKey({ roomId: ROOM, sessionId: "s" }));
  expect(ours.requests("to-device")).toEqual([]);
  expect(() => ours.in((calls) => calls.requestVerification(THEM))).toThrow("no device");
});
