// The whole agent in encrypted rooms, on the habits of each server, with a client that encrypts on the other side.
import { describe, expect, it, onTestFinished } from "vitest";
import type { RoomEvent } from "#agent/matrix/types.ts";
import { parseTelemetry } from "#agent/telemetry/index.ts";
import { type EncryptedClient, startEncryptedClient } from "#scripts/demo/encrypted-client.ts";
import type { Homeserver, TestUser } from "#test/homeserver/api.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import type { ProfileName } from "#test/homeserver/profile.ts";
import { startTestAgent, type TestAgent, type TestAgentOptions } from "../whole-agent.ts";

interface Site {
  readonly server: Homeserver;
  readonly device: TestUser;
  readonly operator: TestUser;
  readonly alice: EncryptedClient;
  start(options?: Partial<TestAgentOptions>): Promise<TestAgent>;
}

const ENCRYPTED = "encryption: { enabled: true }";

const site = async (profile: ProfileName = "synapse"): Promise<Site> => {
  const server = await startHomeserver({ profile });
  onTestFinished(() => server.stop());
  const device = await server.addUser("drone");
  const operator = await server.addUser("alice");
  const alice = await startEncryptedClient({ url: server.url, ...operator });
  onTestFinished(() => alice.stop());
  const { password, userId } = device;
  return {
    server,
    device,
    operator,
    alice,
    start: (options = {}) =>
      startTestAgent({
        url: server.url,
        userId,
        password,
        operators: [operator.userId],
        yaml: ENCRYPTED,
        ...options,
      }),
  };
};

const roomsOf = async ({ server }: Site, { agent }: TestAgent): Promise<{ data: string; people: string }> => {
  await server.waitUntil(() => agent.upstream.rooms() !== null);
  const found = agent.upstream.rooms();
  return { data: found?.data.roomId ?? "", people: found?.people.roomId ?? "" };
};

const read = ({ alice }: Site, roomId: string): RoomEvent[] =>
  alice.events.map(({ event }) => event).filter((event) => event.roomId === roomId);

const values = (here: Site, roomId: string): unknown[] =>
  read(here, roomId)
    .filter(({ type }) => type === "dev.petrel.telemetry")
    .flatMap(({ content }) => parseTelemetry(content).readings.map(({ value }) => value));

const replies = (here: Site, roomId: string): string[] =>
  read(here, roomId)
    .filter(
      ({ sender, content }) =>
        sender === here.device.userId && JSON.stringify(content).includes("m.in_reply_to"),
    )
    .map(({ content }) => String(content["body"]));

const POLL_MS = 20;
/** The client learns of things after the server: polled, with a generous bound. */
const until = async (condition: () => boolean): Promise<void> => {
  for (const end = performance.now() + 25_000; !condition() && performance.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  expect(condition()).toBe(true);
};

const joined = ({ operator, server }: Site, ...roomIds: string[]): Promise<void> =>
  until(() =>
    roomIds.every((roomId) =>
      server
        .events(roomId)
        .some(({ content, stateKey }) => stateKey === operator.userId && content["membership"] === "join"),
    ),
  );

const numbers = (from: number, count: number): { name: string; value: number }[] =>
  Array.from({ length: count }, (_, index) => ({ name: "n", value: from + index }));

/** Types of what the agent sent into a room, state left out. */
const typesSent = ({ device, server }: Site, roomId: string): Set<string> =>
  new Set(
    server
      .events(roomId)
      .filter(({ sender, stateKey }) => sender === device.userId && (stateKey ?? null) === null)
      .map(({ type }) => type),
  );

describe.each<ProfileName>(["synapse", "dendrite", "conduit"])(
  "an agent in encrypted rooms on a server like %s",
  (profile) => {
    it("brings readings to a member who can read them, and shows the server none", async () => {
      const here = await site(profile);
      const running = await here.start();
      const { data, people } = await roomsOf(here, running);
      await joined(here, data, people);
      for (let from = 0; from < 300; from += 50) await running.probe.emit(numbers(from, 50));
      await until(() => values(here, data).length >= 300);
      expect(values(here, data)).toEqual(numbers(0, 300).map(({ value }) => value));
      for (const roomId of [data, people]) expect([...typesSent(here, roomId)]).toEqual(["m.room.encrypted"]);
    });

    it("answers a command that came encrypted, encrypted", async () => {
      const here = await site(profile);
      const running = await here.start();
      const { people } = await roomsOf(here, running);
      await joined(here, people);
      await running.probe.emit([{ name: "battery/voltage", value: 11.1, unit: "V" }]);
      await here.alice.say(people, "get battery/voltage");
      await until(() => replies(here, people).length > 0);
      expect(replies(here, people)[0]).toContain("battery/voltage: 11.1 V");
    });
  },
);

describe("what a reader and a server may do", () => {
  it("refuses a command that came in clear into an encrypted room, and says so", async () => {
    const here = await site();
    const running = await here.start();
    const { people } = await roomsOf(here, running);
    await joined(here, people);
    here.server.inject({
      roomId: people,
      sender: here.operator.userId,
      type: "m.room.message",
      content: { msgtype: "m.text", body: "version" },
    });
    await until(() => replies(here, people).length > 0);
    expect(replies(here, people)[0]).toContain("it was not encrypted, and this room is");
  });

  it("encrypts under a new key once a member left, who reads nothing of it", async () => {
    const here = await site();
    const running = await here.start();
    const { data } = await roomsOf(here, running);
    await joined(here, data);
    await running.probe.emit(numbers(0, 5));
    await until(() => values(here, data).length === 5);
    await here.alice.client.leave(data);
    await here.server.waitUntil(() =>
      here.server
        .events(data)
        .some(
          ({ content, stateKey }) => stateKey === here.operator.userId && content["membership"] === "leave",
        ),
    );
    const sessions = (): Set<unknown> =>
      new Set(
        here.server
          .events(data)
          .filter(({ type }) => type === "m.room.encrypted")
          .map(({ content }) => content["session_id"]),
      );
    const before = sessions();
    // The agent hears of it with its next sync; what it sends from then on is under another key.
    await until(() => {
      void running.probe.emit(numbers(5, 1));
      return sessions().size > before.size;
    });
    expect(values(here, data)).toEqual(numbers(0, 5).map(({ value }) => value));
  });

  it("goes on after a restart with the keys it had, and reuses no index", async () => {
    const here = await site();
    const first = await here.start();
    const { data } = await roomsOf(here, first);
    await joined(here, data);
    await first.probe.emit(numbers(0, 20));
    await until(() => values(here, data).length === 20);
    await first.stop();
    const second = await here.start({ folder: first.folder });
    await roomsOf(here, second);
    await second.probe.emit(numbers(20, 20));
    await until(() => values(here, data).length === 40);
    expect(values(here, data)).toEqual(numbers(0, 40).map(({ value }) => value));
    const bodies = here.server
      .events(data)
      .filter(({ type }) => type === "m.room.encrypted")
      .map(({ content }) => content["ciphertext"]);
    expect(new Set(bodies).size).toBe(bodies.length);
  });

  it("sends the same ciphertext again after an answer that got lost, and makes no second event", async () => {
    const here = await site("dendrite");
    const running = await here.start();
    const { data } = await roomsOf(here, running);
    await joined(here, data);
    const path = new RegExp(`${encodeURIComponent(data)}/send/m\\.room\\.encrypted`);
    const fault = here.server.fault({ kind: "answer-lost", match: { method: "PUT", path }, times: 2 });
    await running.probe.emit(numbers(0, 250));
    await until(() => values(here, data).length >= 250 && fault.hits() === 2);
    await running.probe.emit(numbers(250, 10));
    await until(() => values(here, data).length >= 260);
    expect(values(here, data)).toEqual(numbers(0, 260).map(({ value }) => value));
  });

  it("never sends in clear into a room that was encrypted, whatever the server says later, nor with encryption off", async () => {
    const here = await site();
    const first = await here.start();
    const { data } = await roomsOf(here, first);
    await joined(here, data);
    await first.probe.emit(numbers(0, 1));
    await until(() => values(here, data).length === 1);
    await first.stop();
    const path = /state\/m\.room\.encryption/;
    here.server.fault({
      kind: "status",
      status: 404,
      body: { errcode: "M_NOT_FOUND", error: "" },
      match: { path },
      times: 1000,
    });
    const off = await here.start({ folder: first.folder, yaml: "encryption: { enabled: false }" });
    await roomsOf(here, off);
    await off.probe.emit(numbers(1, 1));
    await until(() => off.log.some(({ message }) => message.includes("encryption.enabled is false")));
    await off.stop();
    const on = await here.start({ folder: first.folder });
    await on.probe.emit(numbers(2, 1));
    await until(() => values(here, data).length === 3);
    expect([...typesSent(here, data)]).toEqual(["m.room.encrypted"]);
  });
});

describe("the agent's own reading of its rooms", () => {
  it("opens what it sent itself, page by page", async () => {
    const here = await site();
    const running = await here.start();
    const { data } = await roomsOf(here, running);
    await joined(here, data);
    await running.probe.emit(numbers(0, 7));
    await until(() => values(here, data).length === 7);
    const engine = running.agent.upstream.engine();
    const client = running.agent.upstream.client();
    const page = await client?.messages(data, { direction: "b", limit: 50 });
    const opened = (await engine?.read(page?.events ?? [])) ?? [];
    const own = opened.filter(({ type }) => type === "dev.petrel.telemetry");
    expect(own.flatMap(({ content }) => parseTelemetry(content).readings)).toHaveLength(7);
    expect((await engine?.view([data]))?.crossSigning).toBe("ours");
  });
});
