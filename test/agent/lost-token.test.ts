// A token that the server does not know any more: drivers and journal go on, and the agent gets another where it can.
import { expect, it, onTestFinished } from "vitest";
import { readSession } from "#agent/matrix/session-table.ts";
import { parseTelemetry } from "#agent/telemetry/index.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent, type TestAgent, type TestAgentOptions, temporaryFolder } from "./whole-agent.ts";

const site = async () => {
  const server = await startHomeserver();
  onTestFinished(() => server.stop());
  const { password, userId } = await server.addUser("drone");
  const folder = temporaryFolder();
  const start = (more: Partial<TestAgentOptions> = {}): Promise<TestAgent> =>
    startTestAgent({ url: server.url, userId, password, folder, ...more });
  let data = "";
  const online = async ({ agent }: TestAgent): Promise<void> => {
    await server.waitUntil(() => agent.upstream.rooms() !== null && agent.upstream.linkUp(), 30_000);
    data = agent.upstream.rooms()?.data.roomId ?? "";
  };
  const values = (): unknown[] =>
    data === ""
      ? []
      : server
          .events(data)
          .filter(({ type }) => type === "dev.petrel.telemetry")
          .flatMap(({ content }) => parseTelemetry(content).readings.map(({ value }) => value));
  return { server, userId, start, online, values };
};

it("logs in again as the same device, and every reading of the time between arrives", async () => {
  const { online, server, start, userId, values } = await site();
  const running = await start();
  await online(running);
  const device = readSession(running.store)?.deviceId;
  await running.probe.emit([{ value: 1 }]);
  await server.waitUntil(() => values().length === 1);
  server.revokeTokens(userId);
  expect(await running.probe.emit([{ value: 2 }])).toEqual({ outcome: "durable" });
  await server.waitUntil(() => values().length === 2, 30_000);
  expect(await running.probe.emit([{ value: 3 }])).toEqual({ outcome: "durable" });
  await server.waitUntil(() => values().length === 3);
  expect(values()).toEqual([1, 2, 3]);
  expect(readSession(running.store)?.deviceId).toBe(device);
  expect(running.agent.snapshot().loginNeeded).toBeUndefined();
  expect(running.fatal).toEqual([]);
});

it("starts with the password of the configuration after its token was revoked", async () => {
  const { online, server, start, userId, values } = await site();
  const first = await start();
  await online(first);
  await first.stop();
  server.revokeTokens(userId);
  const second = await start();
  await second.probe.emit([{ value: 1 }]);
  await online(second);
  await server.waitUntil(() => values().length === 1, 30_000);
  expect(second.fatal).toEqual([]);
});

it("becomes a new device where the server does not let it be the same one", async () => {
  const { online, server, start, userId } = await site();
  const running = await start();
  await online(running);
  const device = readSession(running.store)?.deviceId;
  const body = { user_id: userId, device_id: "ANOTHER", access_token: "another" };
  server.fault({ kind: "status", status: 200, body, match: { method: "POST", path: /\/login$/ }, times: 1 });
  server.revokeTokens(userId);
  await server.waitUntil(() => readSession(running.store)?.deviceId !== device, 30_000);
  await online(running);
  expect(running.fatal).toEqual([]);
});

it("keeps readings and says that a login is needed where the configuration holds no good way in", async () => {
  const { online, server, start, userId } = await site();
  const first = await start();
  await online(first);
  await first.stop();
  server.revokeTokens(userId);
  const running = await start({ password: "not any more" });
  await expect
    .poll(() => running.agent.snapshot().loginNeeded ?? "", { timeout: 20_000 })
    .toContain("wrong user name or password");
  expect(await running.probe.emit([{ value: 1 }])).toEqual({ outcome: "durable" });
  expect(running.agent.snapshot().waiting).toBe(1);
  expect(running.agent.ingest.views()).toMatchObject([{ state: "up" }]);
  expect(running.fatal).toEqual([]);
});

it("a password that was never good ends the start: the configuration is wrong", async () => {
  const { start } = await site();
  const running = await start({ password: "never" });
  await expect.poll(() => running.fatal.length, { timeout: 20_000 }).toBe(1);
});
