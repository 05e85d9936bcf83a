// Acceptance 5: an outside publisher numbers its MQTT values (QoS 1, persistent session), the agent is killed with `kill -9` at seeded moments, and every
// number that the broker acknowledged is in the (encrypted) room exactly once, as another implementation's client reads it.
import mqtt from "mqtt";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import type { RealServer } from "#scripts/servers/types.ts";
import { startSynapse, synapseAvailable } from "#scripts/synapse.ts";
import { createMosquitto } from "#test/drivers/mqtt/mosquitto.ts";
import { createPty } from "#test/drivers/pty.ts";
import { needs, which } from "#test/support/peers.ts";
import { eventually, makeSite, online, wireTypes } from "./site.ts";
import { reusedIndexes } from "./witness.ts";

const SEED = 20_261_124;
const KILLS = 10;
const EVERY_MS = 20;

/** Moments between two kills, in ms, seeded (xorshift). */
const moments = (seed: number, count: number): number[] => {
  let state = seed;
  return Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return 150 + ((state >>> 0) % 1800);
  });
};

const yamlFor = (port: number): string => `drivers:
  broker:
    type: mqtt
    url: mqtt://127.0.0.1:${port}
    client_id: site-1
    subscriptions: [{ filter: "sensors/#" }]
delivery: { batch: { max_age: 200ms, max_count: 50 } }
`;

const peers = (): string | null => (synapseAvailable() === null ? null : which("mosquitto"));

needs("mosquitto, synapse", peers(), (mosquitto) => {
  let server: RealServer;
  beforeAll(async () => {
    server = await startSynapse({ liftLimits: true });
  });
  afterAll(() => server.stop());

  it(`loses and doubles nothing through ${KILLS} kills (seed ${SEED})`, { timeout: 240_000 }, async () => {
    const broker = await createMosquitto(mosquitto, ["allow_anonymous true", "max_queued_messages 0"]);
    onTestFinished(() => broker.dispose());
    await broker.start();
    const site = await makeSite({ server, yaml: yamlFor(broker.port) });
    let agent = site.start();
    await online(site);
    await eventually("the agent's subscription", () => broker.log().includes("SUBACK to site-1"));

    const publisher = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
      clientId: "publisher",
      clean: false,
    });
    onTestFinished(() => publisher.endAsync(true));
    const acknowledged: number[] = [];
    let next = 0;
    const timer = setInterval(() => {
      const number = next++;
      publisher.publish("sensors/number", String(number), { qos: 1 }, (error) => {
        if (!error) acknowledged.push(number);
      });
    }, EVERY_MS);
    for (const moment of moments(SEED, KILLS)) {
      const from = performance.now();
      await eventually("the moment of the next kill", () => performance.now() - from > moment);
      await agent.kill();
      agent = site.start();
    }
    clearInterval(timer);
    await eventually("all numbers acknowledged", () => acknowledged.length === next);
    const numbers = async (): Promise<number[]> => (await site.readings()).map(({ value }) => Number(value));
    await eventually("all numbers in the room", async () => new Set(await numbers()).size === next, 60);
    const found = await numbers();
    expect(found).toHaveLength(next);
    expect([...found].sort((a, b) => a - b)).toEqual(acknowledged.sort((a, b) => a - b));
    expect(found).toEqual([...found].sort((a, b) => a - b));
    expect(await wireTypes(site)).toEqual(["m.room.encrypted"]);
    expect(reusedIndexes(await site.witness.read(site.rooms.data), site.device.userId)).toEqual([]);
    const audit = await site.petrel(["audit", "room"]);
    expect(audit).toMatch(new RegExp(`^no gap, no duplicate: ${next} readings of \\d+ streams?$`, "m"));
    const exported = await site.petrel(["export", "--format", "csv"]);
    expect(exported.trimEnd().split("\n")).toHaveLength(next + 1);
  });
});

/** What a serial line brings is journalled at once: a kill can cost what was under way to the disk, no more than this. */
const FLUSH_WINDOW_MS = 500;

const serialYaml = (path: string): string => `drivers:
  line:
    type: serial
    path: ${path}
    framing: { type: lines }
    readings: [{ name: line/number, type: number }]
delivery: { batch: { max_age: 200ms, max_count: 50 } }
`;

const serialPeers = (): string | null => (synapseAvailable() === null ? null : which("socat"));

needs("socat, synapse", serialPeers(), (socat) => {
  it("loses nothing of a serial line that is older than the flush window when it is killed", {
    timeout: 120_000,
  }, async () => {
    const server = await startSynapse({ liftLimits: true });
    onTestFinished(() => server.stop());
    const pty = await createPty(socat);
    onTestFinished(() => pty.dispose());
    await pty.plugIn();
    const site = await makeSite({ server, yaml: serialYaml(pty.path) });
    let agent = site.start();
    await online(site);
    const sentAt: number[] = [];
    const timer = setInterval(() => {
      pty.say(`${sentAt.length}\n`);
      sentAt.push(performance.now());
    }, EVERY_MS);
    onTestFinished(() => clearInterval(timer));
    const numbers = async (): Promise<number[]> => (await site.readings()).map(({ value }) => Number(value));
    await eventually("the line to be read", async () => (await numbers()).length > 0);
    const first = Math.min(...(await numbers()));
    const from = performance.now();
    await eventually("two seconds of data", () => performance.now() - from > 2000);
    const killedAt = performance.now();
    await agent.kill();
    clearInterval(timer);
    agent = site.start();
    const owed = sentAt.flatMap((at, number) =>
      number >= first && at < killedAt - FLUSH_WINDOW_MS ? [number] : [],
    );
    await eventually("everything owed in the room", async () => {
      const found = new Set(await numbers());
      return owed.every((number) => found.has(number));
    });
    const found = await numbers();
    expect(owed.length).toBeGreaterThan(50);
    expect(new Set(found).size).toBe(found.length);
  });
});
