// A room of two machines and what is done in it: sharing until everybody has the key, encrypting as the server would show it, decrypting.
import { expect } from "vitest";
import type { RoomEventResult } from "#crypto/machine/rooms/decrypt.ts";
import type { ShareOptions, ShareProgress } from "#crypto/machine/rooms/share.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { makePair, type Server } from "./server.ts";
import { makeOurs, type Ours } from "./world.ts";

export const ROOM: string = "!room:example.org";
export const HOUR_MS: number = 3_600_000;
export const MEMBERS: readonly string[] = ["@alice:example.org", "@bob:example.org"];
export const OPTIONS: ShareOptions = { members: MEMBERS, strategy: "cross-signed", sharedHistory: false };
export const SETTINGS: JsonObject = { algorithm: "m.megolm.v1.aes-sha2" };

export const share = (ours: Ours, options: Partial<ShareOptions> = {}): ShareProgress =>
  ours.in((calls) => calls.shareRoomKey(ROOM, { ...OPTIONS, ...options }));
/** Until everybody has it. */
export const shareAll = (server: Server, ours: Ours, options: Partial<ShareOptions> = {}): string => {
  let progress = share(ours, options);
  for (let i = 0; i < 5 && progress.queries + progress.claims + progress.messages > 0; i += 1) {
    server.settle();
    progress = share(ours, options);
  }
  expect(progress).toMatchObject({ queries: 0, claims: 0, messages: 0 });
  server.settle();
  return progress.sessionId;
};
let events = 0;
export const encrypt = (
  ours: Ours,
  content: JsonObject = { body: "hi" },
  type = "m.room.message",
): JsonObject => {
  events += 1;
  const encrypted = ours.in((calls) => calls.encryptRoomEvent(ROOM, type, content));
  return {
    type: "m.room.encrypted",
    event_id: `$${events}`,
    sender: ours.config.userId,
    origin_server_ts: events,
    content: encrypted,
  };
};
export const decrypt = (ours: Ours, event: unknown, room: string = ROOM): RoomEventResult =>
  ours.in((calls) => calls.decryptRoomEvent(room, event));
export const makeRoom = (): ReturnType<typeof makePair> => {
  const pair = makePair();
  for (const ours of [pair.alice, pair.bob]) ours.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
  return pair;
};
export const withheldOf = (server: Server): unknown[] =>
  server.sent
    .filter(({ event }) => event["type"] === "m.room_key.withheld")
    .map(({ event }) => (event["content"] as JsonObject)["code"]);
/** Another device of Bob's. */
export const addDevice = (server: Server, deviceId: string, crossSigned = true): Ours => {
  const device = server.join(makeOurs({ userId: "@bob:example.org", deviceId }), { crossSigned });
  for (const ours of server.machines) {
    ours.in((calls) => calls.receiveDeviceLists({ changed: ["@bob:example.org"], left: [] }));
  }
  device.in((calls) => calls.trackUsers(MEMBERS));
  server.settle();
  return device;
};
