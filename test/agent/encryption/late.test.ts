// Events whose key comes later, by another way than a sync: kept, explained by their cause, read in the transaction in which the key comes, also when that was
// while no agent ran.
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { MIGRATIONS } from "#agent/agent.ts";
import { createAccess } from "#agent/encryption/access.ts";
import { openStore } from "#agent/store/open.ts";
import type { ExportedSession } from "#crypto/exported-session.ts";
import { createMachine } from "#crypto/machine/machine.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { Homeserver, TestUser } from "#test/homeserver/api.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { runtime as realTime } from "../store/runtime.ts";
import { startTestAgent, type TestAgent } from "../whole-agent.ts";

interface Site {
  readonly server: Homeserver;
  readonly device: TestUser;
  readonly operator: TestUser;
  start(folder?: string): Promise<TestAgent>;
}

const site = async (): Promise<Site> => {
  const server = await startHomeserver({ profile: "synapse" });
  onTestFinished(() => server.stop());
  const device = await server.addUser("drone");
  const operator = await server.addUser("alice");
  const { password, userId } = device;
  return {
    server,
    device,
    operator,
    start: (folder) =>
      startTestAgent({
        url: server.url,
        userId,
        password,
        operators: [operator.userId],
        yaml: "encryption: { enabled: true }",
        ...(folder === undefined ? {} : { folder }),
      }),
  };
};

/** The people room, once the agent has encrypted for it: from then on it knows that the room is encrypted. */
const peopleRoom = async ({ device, server }: Site, { agent }: TestAgent): Promise<string> => {
  const found = (): string => agent.upstream.rooms()?.people.roomId ?? "";
  await server.waitUntil(
    () =>
      found() !== "" &&
      server
        .events(found())
        .some(({ sender, type }) => sender === device.userId && type === "m.room.encrypted"),
  );
  return found();
};

/** The operator says a command, encrypted under a session that the agent was not given; that session. */
const sayUnreadably = ({ operator, server }: Site, roomId: string): ExportedSession => {
  const outbound = MegolmOutboundSession.create(nodeProvider);
  const session = MegolmInboundSession.fromSessionKey(nodeProvider, outbound.sessionKey());
  const content = { msgtype: "m.text", body: "version" };
  const ciphertext = outbound.encrypt(JSON.stringify({ type: "m.room.message", content, room_id: roomId }));
  server.inject({
    roomId,
    sender: operator.userId,
    type: "m.room.encrypted",
    content: {
      algorithm: "m.megolm.v1.aes-sha2",
      session_id: outbound.sessionId,
      ciphertext,
      sender_key: "x",
      device_id: "ELSEWHERE",
    },
  });
  return {
    algorithm: "m.megolm.v1.aes-sha2",
    roomId,
    sessionId: outbound.sessionId,
    sessionKey: session.exportAt(0),
    senderKey: "x",
    senderClaimedKeys: {},
    forwardingCurve25519KeyChain: [],
    sharedHistory: false,
  };
};

const causes = async ({ agent }: TestAgent): Promise<Readonly<Record<string, number>>> =>
  (await agent.upstream.engine()?.view([]))?.undecrypted ?? {};

const POLL_MS = 20;
const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (const end = performance.now() + 25_000; performance.now() < end; ) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  expect.fail("what was waited for did not come");
};

const commandRefused = ({ log }: TestAgent): boolean =>
  log.some(({ fields, message }) => message === "a command was refused" && fields["why"] === "channel");

describe("an event whose key has not come", () => {
  it("is read when a key file brings it, and a command in it is refused: nobody knows who wrote it", async () => {
    const here = await site();
    const running = await here.start();
    const people = await peopleRoom(here, running);
    const session = sayUnreadably(here, people);
    await until(async () => (await causes(running))["unknown-session"] === 1);
    const access = running.agent.upstream.engine()?.identity();
    await access?.calls((calls) => calls.importRoomKeys([session]));
    await until(async () => Object.keys(await causes(running)).length === 0);
    await until(() => commandRefused(running));
  });

  it("has its cause corrected when its sender says that the key will not come", async () => {
    const here = await site();
    const running = await here.start();
    const people = await peopleRoom(here, running);
    const session = sayUnreadably(here, people);
    await until(async () => (await causes(running))["unknown-session"] === 1);
    const client = running.agent.upstream.client();
    await client?.sendToDevice("m.room_key.withheld", "t1", {
      [client.userId]: {
        [client.deviceId]: {
          algorithm: session.algorithm,
          room_id: people,
          session_id: session.sessionId,
          sender_key: "x",
          code: "m.blacklisted",
        },
      },
    });
    await until(async () => (await causes(running))["withheld.m.blacklisted"] === 1);
  });

  it("is read at the next start, when the key came while no agent ran", async () => {
    const here = await site();
    const first = await here.start();
    const people = await peopleRoom(here, first);
    const session = sayUnreadably(here, people);
    await until(async () => (await causes(first))["unknown-session"] === 1);
    const client = first.agent.upstream.client();
    const ids = { userId: client?.userId ?? "", deviceId: client?.deviceId ?? "" };
    await first.stop();
    const store = await openStore({
      path: join(first.folder, "petrel.db"),
      key: new Uint8Array(32).fill(9),
      migrations: MIGRATIONS,
      runtime: realTime,
    });
    const machine = createMachine({ provider: nodeProvider, ...ids });
    const access = createAccess(store, nodeProvider, machine, realTime.log, () => Date.now());
    await access.in((calls) => calls.importRoomKeys([session]));
    await store.close();
    const second = await here.start(first.folder);
    await peopleRoom(here, second);
    await until(() => commandRefused(second));
    expect(await causes(second)).toEqual({});
  });
});
