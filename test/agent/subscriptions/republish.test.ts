// Agent to agent through a room: a drone publishes, the broker of a ground station gets it. Two whole agents as processes, one loopback homeserver.
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Aedes } from "aedes";
import { expect, it, onTestFinished } from "vitest";
import { asObject, parseJson } from "#agent/matrix/json.ts";
import { topicOf } from "#agent/subscriptions/topic.ts";
import { makeSite, PASSWORD, startPetrel, temporaryFolder } from "../cli/petrel.ts";

/** A broker of its own: what it has for its clients does not go with an agent. */
const startBroker = async (): Promise<{ readonly port: number; readonly broker: Aedes }> => {
  const broker = await Aedes.createBroker();
  const server = createServer(broker.handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        broker.close(() => server.close(() => resolve()));
      }),
  );
  const address = server.address();
  return { broker, port: typeof address === "object" && address !== null ? address.port : 0 };
};

it("brings a room's telemetry to another agent's broker, in order and without a gap, through a restart", async () => {
  const drone = await makeSite();
  const station = await drone.server.addUser("station", { password: PASSWORD });
  const folder = temporaryFolder();
  const { broker, port } = await startBroker();
  // The drone's agent invites its operators into the rooms that it makes.
  drone.configure({ rooms: `{ operators: ["${station.userId}"], status_every: 60s }` });
  const agent = drone.start(["run"]);
  await agent.says(/the homeserver is reachable/);
  await drone.server.waitUntil(() => drone.telemetry() !== "", 25_000);
  const roomId =
    [...drone.server.world.rooms.keys()].find((id) =>
      drone.server.events(id).some(({ type }) => type === "dev.petrel.telemetry"),
    ) ?? "";

  const config = join(folder, "petrel.yaml");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "password"), PASSWORD, { mode: 0o600 });
  writeFileSync(
    config,
    `version: 1
device: { name: station, state: ${folder}/state }
homeserver: { url: "${drone.server.url}", user: "${station.userId}", password: { file: ${folder}/password } }
drivers: { site: { type: mqtt, url: "mqtt://127.0.0.1:${port}", client_id: station } }
subscriptions:
  - { room: "${roomId}", driver: site, topic: "remote/{device}/{name}", every: 200ms }
`,
  );
  const seqs: number[] = [];
  const topics = new Set<string>();
  broker.on("publish", ({ payload, topic }) => {
    if (!topic.startsWith("remote/")) return;
    const reading = asObject(parseJson(payload.toString())) ?? {};
    topics.add(topic);
    seqs.push(Number(reading["seq"]));
  });
  const first = startPetrel(["--config", config, "run"]);
  await drone.server.waitUntil(() => seqs.length > 30, 25_000);
  first.signal("SIGTERM");
  await first.ended;
  const before = seqs.length;
  const second = startPetrel(["--config", config, "run"]);
  await drone.server.waitUntil(() => seqs.length > before + 30, 25_000);
  for (const running of [second, agent]) {
    running.signal("SIGTERM");
    await running.ended;
  }
  expect([...topics]).toContain("remote/drone-1/battery/voltage");
  const sorted = [...new Set(seqs)].sort((left, right) => left - right);
  expect(sorted.every((seq, at) => at === 0 || seq === (sorted[at - 1] ?? 0) + 1)).toBe(true);
  // Only what was under way at the restart may have come again.
  expect(seqs.filter((seq, at) => at > 0 && seq <= (seqs[at - 1] ?? 0)).length).toBeLessThanOrEqual(1);
}, 90_000);

const named = (name: string): Parameters<typeof topicOf>[2] => ({
  seq: 0,
  name,
  unit: null,
  timeMs: 0,
  value: 0,
});

it.each([
  ["remote/{device}/{name}", "drone 7", "a/b", "remote/drone 7/a/b"],
  ["remote/{device}/{name}", "../#", "+/x", "remote/..__/_/x"],
  ["{name}", "d", "$SYS/uptime", "_SYS/uptime"],
  ["{name}", "d", "x".repeat(70_000), null],
])("a topic %s of device %s and name %.20s", (template, device, name, topic) => {
  expect(topicOf(template, device, named(name))).toBe(topic);
});
