// A plain room that becomes encrypted while a last will waits for it: the server must not send that one, it is in clear.
import { expect, it, onTestFinished } from "vitest";
import type { Homeserver } from "#test/homeserver/api.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent, type TestAgent, temporaryFolder } from "../whole-agent.ts";

interface Site {
  readonly server: Homeserver;
  start(encryption: boolean): Promise<TestAgent>;
  wills(roomId: string): number;
  encrypt(roomId: string): void;
}

const site = async (): Promise<Site> => {
  const server = await startHomeserver();
  onTestFinished(() => server.stop());
  const { password, userId } = await server.addUser("drone");
  const folder = temporaryFolder();
  return {
    server,
    start: (encryption) =>
      startTestAgent({
        url: server.url,
        userId,
        password,
        folder,
        // Rooms that the agent makes in clear, whether it can encrypt or not.
        liveness: "{ interval: 200ms, timeout: 1h }, encrypted: false",
        yaml: `encryption: { enabled: ${encryption} }`,
      }),
    wills: (roomId) =>
      [...server.world.delayed.values()].filter(({ described }) => described["room_id"] === roomId).length,
    encrypt: (roomId) =>
      void server.inject({
        roomId,
        sender: "@operator:localhost",
        type: "m.room.encryption",
        stateKey: "",
        content: { algorithm: "m.megolm.v1.aes-sha2" },
      }),
  };
};

const roomsOf = async (
  { server, wills }: Site,
  { agent }: TestAgent,
): Promise<{ data: string; people: string }> => {
  await server.waitUntil(() => agent.upstream.rooms() !== null, 30_000);
  const found = agent.upstream.rooms();
  const rooms = { data: found?.data.roomId ?? "", people: found?.people.roomId ?? "" };
  await server.waitUntil(() => wills(rooms.data) === 1 && wills(rooms.people) === 1, 30_000);
  return rooms;
};

it.each([
  [true, "by an agent that can encrypt"],
  [false, "by one with encryption.enabled: false"],
])("it is taken back at once (%s), %s, and no other is left", { timeout: 60_000 }, async (encryption) => {
  const here = await site();
  const running = await here.start(encryption);
  const { data, people } = await roomsOf(here, running);
  here.encrypt(data);
  await here.server.waitUntil(() => here.wills(data) === 0, 30_000);
  expect(here.wills(people)).toBe(1);
  here.encrypt(people);
  await here.server.waitUntil(() => here.wills(people) === 0, 30_000);
});

it("one that a killed process left behind is taken back by the next, though the room was encrypted in between", {
  timeout: 60_000,
}, async () => {
  const here = await site();
  const first = await here.start(true);
  const { data, people } = await roomsOf(here, first);
  // As a kill: nothing is said, nothing is cancelled.
  here.server.fault({ kind: "refused", times: Number.POSITIVE_INFINITY });
  await first.stop();
  here.server.clearFaults();
  expect(here.wills(data) + here.wills(people)).toBe(2);
  here.encrypt(data);
  here.encrypt(people);
  const second = await here.start(true);
  await here.server.waitUntil(() => here.wills(data) + here.wills(people) === 0, 30_000);
  await second.stop();
});
