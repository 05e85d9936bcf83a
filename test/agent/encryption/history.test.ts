// A room's history for somebody who is invited later: the whole agent gives it, another client of the agent's parts takes it.
import { describe, expect, it, onTestFinished } from "vitest";
import { parseTelemetry } from "#agent/telemetry/index.ts";
import { type EncryptedClient, startEncryptedClient } from "#scripts/demo/encrypted-client.ts";
import type { Homeserver } from "#test/homeserver/api.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent, type TestAgent } from "../whole-agent.ts";

interface Site {
  readonly server: Homeserver;
  readonly running: TestAgent;
  readonly data: string;
  /** A user with a client, who is in no room yet. */
  person(name: string): Promise<EncryptedClient>;
}

const COUNT = 20;
const POLL_MS = 20;
const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (const end = performance.now() + 25_000; performance.now() < end; ) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  expect.fail("what was waited for did not come");
};

/** An agent that has sent readings into an encrypted room that nobody else is in. */
const site = async (): Promise<Site> => {
  const server = await startHomeserver({ profile: "synapse" });
  onTestFinished(() => server.stop());
  const { password, userId } = await server.addUser("drone");
  const running = await startTestAgent({
    url: server.url,
    userId,
    password,
    yaml: "encryption: { enabled: true }",
  });
  await server.waitUntil(() => running.agent.upstream.rooms() !== null);
  const data = running.agent.upstream.rooms()?.data.roomId ?? "";
  await running.probe.emit(Array.from({ length: COUNT }, (_, value) => ({ name: "n", value })));
  await server.waitUntil(() => server.events(data).some(({ type }) => type === "m.room.encrypted"));
  const person = async (name: string): Promise<EncryptedClient> => {
    const client = await startEncryptedClient({ url: server.url, ...(await server.addUser(name)) });
    onTestFinished(() => client.stop());
    return client;
  };
  return { server, running, data, person };
};

const give = (running: TestAgent, roomId: string, userId: string) =>
  running.agent.upstream.engine()?.history.give(roomId, userId);

/** The readings of a room that a client can read, of all its past. */
const readings = async ({ client, engine }: EncryptedClient, roomId: string): Promise<number> => {
  const page = await client.messages(roomId, { direction: "b", limit: 100 });
  const events = await engine.read(page.events);
  return events
    .filter(({ type }) => type === "dev.petrel.telemetry")
    .reduce((sum, { content }) => sum + parseTelemetry(content).readings.length, 0);
};
const isIn = async ({ client }: EncryptedClient, roomId: string): Promise<boolean> =>
  (await client.joinedRooms()).includes(roomId);

describe("somebody who is invited later", () => {
  it("reads what was sent before, with the keys that the agent told them of", async () => {
    const { data, person, running } = await site();
    const bob = await person("bob");
    const { userId } = bob.client;
    expect(await give(running, data, userId)).toEqual({ sessions: 1, devices: 1 });
    await running.agent.upstream.client()?.invite(data, userId);
    await until(() => isIn(bob, data));
    await until(async () => (await readings(bob, data)) === COUNT);
  });

  it("reads nothing of it without them", async () => {
    const { data, person, running } = await site();
    const bob = await person("bob");
    await running.agent.upstream.client()?.invite(data, bob.client.userId);
    await until(() => isIn(bob, data));
    await running.probe.emit([{ name: "n", value: COUNT }]);
    // What is sent from then on comes, so what does not come by then does not come.
    await until(async () => (await readings(bob, data)) === 1);
  });

  it("is given nothing where nobody could read it: no device, no keys, no word", async () => {
    const { data, running, server } = await site();
    const { userId } = await server.addUser("nobody");
    expect(await give(running, data, userId)).toEqual({ sessions: 1, devices: 0 });
  });
});
