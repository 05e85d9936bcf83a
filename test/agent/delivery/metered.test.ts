// The whole agent on a metered interface: readings wait on the device, an alarm and a reply pass, and when another interface leads to the server all goes.
import { expect, it, onTestFinished } from "vitest";
import type { Network } from "#agent/delivery/network.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent } from "../whole-agent.ts";

it("keeps readings for an interface that is not metered, and lets alarms pass", async () => {
  const server = await startHomeserver({ profile: "synapse" });
  onTestFinished(() => server.stop());
  const device = await server.addUser("drone", { password: "secret" });
  let name = "wwan0";
  const network: Network = {
    table: () => ({ [name]: [{ address: "127.0.0.1" }] }),
    routeTo: () => Promise.resolve("127.0.0.1"),
  };
  const { agent, probe } = await startTestAgent({
    url: server.url,
    userId: device.userId,
    password: "secret",
    network,
    delivery: "bytes: { metered: [wwan0], bulk: wait }",
    yaml: "channels: { hot: { alarm: { above: 50 } } }\n",
  });
  const seen = (type: string) =>
    [...server.world.rooms.keys()].flatMap((roomId) =>
      server.events(roomId).filter((event) => event.type === type),
    );
  await server.waitUntil(() => agent.bytes.view().route === "wwan0", 20_000);
  await probe.emit([{ name: "n", value: 1 }]);
  await probe.emit([{ name: "hot", value: 99 }]);
  await server.waitUntil(() => seen("dev.petrel.alarm").length === 1, 20_000);
  expect(seen("dev.petrel.telemetry")).toEqual([]);
  expect(agent.bytes.view()).toMatchObject({ waits: "unmetered", metered: true });
  expect(agent.journal.depth().readings).toBe(2);
  name = "wlan0";
  await server.waitUntil(() => seen("dev.petrel.telemetry").length > 0, 60_000);
  expect(agent.bytes.view()).toMatchObject({ route: "wlan0", waits: null });
}, 90_000);
