// An encrypted device that the server logged out: its keys went with it, and come back under the same device ID.
import { expect, it, onTestFinished } from "vitest";
import { startEncryptedClient } from "#scripts/demo/encrypted-client.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent } from "../whole-agent.ts";

it("uploads the same keys again after it had to log in again, and goes on encrypted", {
  timeout: 120_000,
}, async () => {
  const server = await startHomeserver();
  onTestFinished(() => server.stop());
  const device = await server.addUser("drone");
  const operator = await server.addUser("alice");
  const alice = await startEncryptedClient({ url: server.url, ...operator });
  onTestFinished(() => alice.stop());
  const { password, userId } = device;
  const yaml = "encryption: { enabled: true }";
  const operators = [operator.userId];
  const running = await startTestAgent({ url: server.url, userId, password, operators, yaml });
  await server.waitUntil(() => running.agent.upstream.linkUp(), 30_000);
  const deviceId = running.agent.upstream.client()?.deviceId ?? "";
  const onServer = () => server.world.users.get(userId)?.devices.get(deviceId) ?? null;
  await server.waitUntil(() => (onServer()?.keys ?? null) !== null);
  const keysOf = (): unknown => onServer()?.keys?.["keys"];
  const before = keysOf();
  const data = running.agent.upstream.rooms()?.data.roomId ?? "";
  const encrypted = (): number =>
    server.events(data).filter(({ type }) => type === "m.room.encrypted").length;
  await running.probe.emit([{ value: 1 }]);
  await server.waitUntil(() => encrypted() > 0, 30_000);

  const logout = await fetch(`${server.url}/_matrix/client/v3/logout/all`, {
    method: "POST",
    headers: { authorization: `Bearer ${device.accessToken}` },
    body: "{}",
  });
  expect(logout.status).toBe(200);
  expect(onServer()).toBeNull();
  const then = encrypted();
  await server.waitUntil(
    () => (onServer()?.keys ?? null) !== null && (onServer()?.oneTimeKeys.size ?? 0) > 0,
    30_000,
  );
  expect(keysOf()).toEqual(before);
  await running.probe.emit([{ value: 2 }]);
  await server.waitUntil(() => encrypted() > then, 30_000);
  expect(running.fatal).toEqual([]);
});
