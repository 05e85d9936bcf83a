// Alice and Bob, who know each other and share an encrypted room, on stores that can be dumped; the server between them is the test's to bend.
import { ROOM, SETTINGS, shareAll } from "../support/room.ts";
import { makeServer, type Server } from "../support/server.ts";
import { makeOurs, type Ours } from "../support/world.ts";
import { createDumpStore } from "./dump.ts";

export const ALICE = "@alice:example.org";
export const BOB = "@bob:example.org";

export interface Scene {
  readonly server: Server;
  readonly alice: Ours;
  readonly bob: Ours;
}

export const makeScene = (): Scene => {
  const server = makeServer();
  const join = (userId: string, deviceId: string): Ours =>
    server.join(makeOurs({ userId, deviceId }, createDumpStore()));
  const [alice, bob] = [join(ALICE, "ALICE"), join(BOB, "BOB")];
  for (const ours of [alice, bob]) {
    ours.in((calls) => calls.trackUsers([ALICE, BOB]));
    ours.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
  }
  server.settle();
  return { server, alice, bob };
};

/** Bob has Alice's room key. */
export const withKey = (): Scene => {
  const scene = makeScene();
  shareAll(scene.server, scene.alice);
  scene.server.deliver();
  scene.server.settle();
  return scene;
};
