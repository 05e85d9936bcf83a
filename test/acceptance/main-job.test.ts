// The main job with real parts (acceptance 3 and 6): Debian's mosquitto and mosquitto_pub, a socat pty fed with a recorded GPS log, the agent as a process of
// its own, Synapse, encrypted rooms, and a reader that knows nothing of ours (matrix-js-sdk). What is refused is looked at in plain rooms.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import type { RealServer } from "#scripts/servers/types.ts";
import { startSynapse, synapseAvailable } from "#scripts/synapse.ts";
import { createMosquitto, type Mosquitto, run } from "#test/drivers/mqtt/mosquitto.ts";
import { createPty, type Pty } from "#test/drivers/pty.ts";
import { needs, which } from "#test/support/peers.ts";
import { eventually, makeSite, online, relatesTo, type Site, wireTypes } from "./site.ts";

const GPS_LOG = readFileSync(join(import.meta.dirname, "../drivers/data/gps-drive.nmea"), "utf8");

const peers = (): { readonly mosquitto: string; readonly socat: string } | null => {
  const mosquitto = which("mosquitto");
  const socat = which("socat");
  const complete =
    mosquitto !== null && socat !== null && which("mosquitto_pub") !== null && synapseAvailable() !== null;
  return complete ? { mosquitto, socat } : null;
};

const yamlFor = (mqttPort: number, ptyPath: string): string => `drivers:
  broker:
    type: mqtt
    url: mqtt://127.0.0.1:${mqttPort}
    client_id: site-1
    subscriptions: [{ filter: "sensors/#" }]
  gps:
    type: serial
    path: ${ptyPath}
    baud: 9600
    framing: { type: regex, pattern: '^\\$GPGGA,[^,]*,(?<lat>\\d+\\.\\d+),N,(?<lon>\\d+\\.\\d+),E,\\d,(?<sats>\\d+)' }
    readings:
      - { name: gps/lat, from: lat, type: number }
      - { name: gps/lon, from: lon, type: number }
      - { name: gps/satellites, from: sats, type: number }
commands:
  list:
    relay:
      args: { state: { one_of: ["on", "off"] } }
      write: { driver: broker, target: relay/set, payload: "{state}" }
    beacon:
      args: { state: { one_of: ["on", "off"] } }
      write: { driver: gps, payload: "BEACON {state}\\n" }
delivery: { batch: { max_age: 500ms, max_count: 500 } }
`;

/** What a reader of the log expects, by the same sentence that the agent was told to read. */
const expectedFixes = (lines: readonly string[]): number[] =>
  lines.filter((line) => line.startsWith("$GPGGA")).map((line) => Number(line.split(",")[2]));

needs("mosquitto, socat, synapse", peers(), ({ mosquitto, socat }) => {
  let server: RealServer;
  beforeAll(async () => {
    server = await startSynapse({ liftLimits: true });
  });
  afterAll(() => server.stop());

  const stage = async (): Promise<{ site: Site; broker: Mosquitto; pty: Pty }> => {
    const broker = await createMosquitto(mosquitto);
    const pty = await createPty(socat);
    onTestFinished(() => broker.dispose());
    onTestFinished(() => pty.dispose());
    await broker.start();
    await pty.plugIn();
    const site = await makeSite({ server, yaml: yamlFor(broker.port, pty.path) });
    return { site, broker, pty };
  };

  const connected = ({ broker }: { broker: Mosquitto }): Promise<void> =>
    eventually("the agent's subscription", () => broker.log().includes("SUBACK to site-1"));

  it("brings every value of broker and serial line into the room, once, in order", {
    timeout: 120_000,
  }, async () => {
    const { broker, pty, site } = await stage();
    site.start();
    await connected({ broker });
    await online(site);
    const lines = GPS_LOG.split("\r\n").slice(0, 600);
    pty.say(lines.map((line) => `${line}\r\n`).join(""));
    const numbers = Array.from({ length: 500 }, (_, index) => index);
    const publisher = ["-h", "127.0.0.1", "-p", String(broker.port), "-q", "1", "-t", "sensors/count", "-l"];
    await run("mosquitto_pub", publisher, `${numbers.join("\n")}\n`);
    const fixes = expectedFixes(lines);
    await eventually(
      "all values in the room",
      async () => (await site.readings()).length >= numbers.length + 3 * fixes.length,
      60,
    );
    const readings = await site.readings();
    const valuesOf = (name: string): unknown[] =>
      readings.filter((reading) => reading.name === name).map(({ value }) => value);
    expect(valuesOf("sensors/count")).toEqual(numbers);
    expect(valuesOf("gps/lat")).toEqual(fixes);
    expect(readings.map(({ seq }) => seq)).toEqual(readings.map((_, index) => index));
    expect(await wireTypes(site)).toEqual(["m.room.encrypted"]);
  });

  it("switches a relay over MQTT and over serial, answers within 2 s, and does it once", {
    timeout: 120_000,
  }, async () => {
    const { broker, pty, site } = await stage();
    const agent = site.start();
    await connected({ broker });
    await online(site);
    /** By the server's clock: how long it took the agent, not us to look. */
    const answered = async (command: string): Promise<number> => {
      const eventId = await site.say(site.operator, command);
      await eventually(`the answer to ${command}`, async () => (await site.repliesTo(eventId)).length > 0);
      const events = await site.witness.read(site.rooms.people);
      const [asked, reply] = [
        events.find((event) => event.event_id === eventId),
        events.find((event) => event.sender === site.device.userId && relatesTo(event) === eventId),
      ];
      return (reply?.origin_server_ts ?? Number.NaN) - (asked?.origin_server_ts ?? Number.NaN);
    };
    const times = [await answered("!petrel relay on"), await answered("!petrel beacon on")];
    const relayWrites = (): number =>
      broker
        .log()
        .split("\n")
        .filter((line) => line.includes("PUBLISH from site-1") && line.includes("relay/set")).length;
    await eventually("the relay's message", () => relayWrites() === 1);
    await eventually("the beacon's line", () => pty.received() === "BEACON on\n");
    await agent.kill();
    site.start();
    times.push(await answered("!petrel version"));
    expect(relayWrites()).toBe(1);
    expect(pty.received()).toBe("BEACON on\n");
    expect(Math.max(...times.slice(0, 2))).toBeLessThan(2000);
  });

  it("refuses a user without the power level and a command that waited too long, visibly", {
    timeout: 120_000,
  }, async () => {
    const { broker, pty } = await stage();
    const mallory = await server.addUser(`mallory${Date.now()}`, { liftLimits: true });
    const yaml = yamlFor(broker.port, pty.path).replace("commands:\n", "commands:\n  valid_for: 3s\n");
    const site = await makeSite({ server, yaml, plain: true, extraUsers: [mallory] });
    const first = site.start();
    await online(site);
    const powerless = await site.say(mallory, "!petrel relay on");
    await eventually("the refusal", async () => (await site.repliesTo(powerless)).length > 0);
    expect((await site.repliesTo(powerless))[0]).toContain(
      "relay was refused: power level 50 is needed in this room, yours is 0",
    );
    await first.stop();
    const stale = await site.say(site.operator, "!petrel relay on");
    const sentAt = performance.now();
    await eventually("the command to grow old", () => performance.now() - sentAt > 3500);
    site.start();
    await eventually("the refusal of the stale one", async () => (await site.repliesTo(stale)).length > 0);
    expect((await site.repliesTo(stale))[0]).toContain("more than the 3 s for which a command stays valid");
    expect(broker.log()).not.toContain("relay/set");
  });
});
