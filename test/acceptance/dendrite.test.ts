// The main job on a real Dendrite, in encrypted rooms: it keeps no fallback keys, names no key counts, and forgets transaction IDs at a restart: it is killed
// and brought back while readings are on their way.
import { expect, it, onTestFinished } from "vitest";
import { dendriteAvailable, startDendrite } from "#scripts/dendrite.ts";
import { createMosquitto, run } from "#test/drivers/mqtt/mosquitto.ts";
import { needs, which } from "#test/support/peers.ts";
import { eventually, makeSite, online, wireTypes } from "./site.ts";
import { reusedIndexes } from "./witness.ts";

const KILLS = 3;
const PER_PART = 150;

const yamlFor = (port: number): string => `drivers:
  broker:
    type: mqtt
    url: mqtt://127.0.0.1:${port}
    client_id: site-1
    subscriptions: [{ filter: "sensors/#" }]
delivery: { batch: { max_age: 100ms, max_count: 10 } }
`;

const peers = (): string | null =>
  dendriteAvailable() === null || which("mosquitto_pub") === null ? null : which("mosquitto");

needs("mosquitto, dendrite", peers(), (mosquitto) => {
  it("delivers every reading once, though the server is killed meanwhile, and answers a command", {
    timeout: 180_000,
  }, async () => {
    const server = await startDendrite({ liftLimits: true });
    onTestFinished(() => server.stop());
    const broker = await createMosquitto(mosquitto);
    onTestFinished(() => broker.dispose());
    await broker.start();
    const site = await makeSite({ server, yaml: yamlFor(broker.port) });
    site.start();
    await online(site);
    await eventually("the agent's subscription", () => broker.log().includes("SUBACK to site-1"));
    const numbers = Array.from({ length: PER_PART * (KILLS + 1) }, (_, index) => index);
    const publisher = ["-h", "127.0.0.1", "-p", String(broker.port), "-q", "1", "-t", "sensors/count", "-l"];
    for (let part = 0; part <= KILLS; part += 1) {
      const some = numbers.slice(part * PER_PART, (part + 1) * PER_PART);
      await run("mosquitto_pub", publisher, `${some.join("\n")}\n`);
      if (part < KILLS) {
        await server.kill();
        await server.restart();
      }
    }
    await eventually(
      "all numbers in the room",
      async () => new Set((await site.readings()).map(({ value }) => value)).size === numbers.length,
      90,
    );
    expect((await site.readings()).map(({ value }) => value)).toEqual(numbers);
    const command = await site.say(site.operator, "!petrel get sensors");
    await eventually("the answer", async () => (await site.repliesTo(command)).length > 0);
    expect((await site.repliesTo(command))[0]).toContain(`sensors/count: ${numbers.length - 1}`);
    expect(await wireTypes(site)).toEqual(["m.room.encrypted"]);
    expect(reusedIndexes(await site.witness.read(site.rooms.data), site.device.userId)).toEqual([]);
  });
});
