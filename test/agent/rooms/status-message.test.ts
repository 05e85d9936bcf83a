// The status message of the whole agent on the loopback homeserver: edited when something changed, made anew when it was redacted.
import { expect, it, onTestFinished } from "vitest";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent, type TestAgent, temporaryFolder } from "../whole-agent.ts";

const site = async () => {
  const server = await startHomeserver();
  onTestFinished(() => server.stop());
  const { password, userId } = await server.addUser("drone");
  const folder = temporaryFolder();
  const start = (): Promise<TestAgent> => startTestAgent({ url: server.url, userId, password, folder });
  const room = ({ agent }: TestAgent): string => agent.upstream.rooms()?.people.roomId ?? "";
  const messages = (agent: TestAgent) =>
    room(agent) === ""
      ? []
      : server
          .events(room(agent))
          .filter(({ type, sender }) => type === "m.room.message" && sender === userId);
  const redact = (agent: TestAgent, eventId: string): void => {
    const event = server.world.rooms.get(room(agent))?.byId.get(eventId);
    if (event === undefined) throw new Error("no such event");
    server.inject({
      roomId: room(agent),
      sender: userId,
      type: "m.room.redaction",
      content: { redacts: eventId },
    });
  };
  return { server, start, room, messages, redact };
};

it("is edited when something that it shows has changed, and only then", async () => {
  const { messages, server, start } = await site();
  const agent = await start();
  await server.waitUntil(() => messages(agent).length === 1);
  await agent.probe.emit([{ name: "battery/voltage", value: 11.1 }]);
  await server.waitUntil(() => messages(agent).length === 2);
  // The same value again and again for many times the interval of 200 ms: seen by the telemetry that comes through.
  const packs = (): number => server.countRequests({ path: /send\/dev\.petrel\.telemetry/, status: 200 });
  for (const before = packs(); packs() < before + 10; ) {
    const now = packs();
    await agent.probe.emit([{ name: "battery/voltage", value: 11.1 }]);
    await server.waitUntil(() => packs() > now);
  }
  expect(messages(agent)).toHaveLength(2);
});

it("is made anew when it was redacted while the agent runs", async () => {
  const { messages, redact, server, start } = await site();
  const agent = await start();
  await server.waitUntil(() => messages(agent).length === 1);
  await server.waitUntil(() => server.countRequests({ path: /\/sync/, status: 200 }) > 0);
  redact(agent, messages(agent)[0]?.eventId ?? "");
  await server.waitUntil(() => messages(agent).length === 2);
  expect(messages(agent)[1]?.content["m.relates_to"]).toBeUndefined();
});

it("says offline although the agent is stopped while its first version is on its way", async () => {
  const { messages, room, server, start } = await site();
  const match = { method: "PUT", path: /send\/m\.room\.message/ };
  const slow = server.fault({ kind: "slow", delayMs: 300, match, times: 1 });
  const agent = await start();
  await server.waitUntil(() => slow.hits() > 0 && room(agent) !== "" && agent.agent.upstream.linkUp());
  await agent.stop();
  expect(messages(agent).map(({ content }) => String(content["body"]))).toEqual([
    expect.stringContaining("online"),
    expect.stringContaining("offline"),
  ]);
});
