// Alarms of the whole agent on the loopback homeserver: into both rooms, once, before any telemetry that waits.
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it, onTestFinished } from "vitest";
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Homeserver, TestUser } from "#test/homeserver/api.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent, type TestAgent, type TestAgentOptions, temporaryFolder } from "../whole-agent.ts";

const schema = JSON.parse(readFileSync("docs/schemas/alarm.v1.json", "utf8")) as object;
const conforms = new Ajv2020({ logger: false, allowUnionTypes: true }).compile(schema);

interface Site {
  readonly server: Homeserver;
  readonly operator: TestUser;
  start(channels: string, options?: Partial<TestAgentOptions>): Promise<TestAgent>;
}

const site = async (): Promise<Site> => {
  const server = await startHomeserver();
  onTestFinished(() => server.stop());
  const { password, userId } = await server.addUser("drone");
  const operator = await server.addUser("alice");
  const folder = temporaryFolder();
  const common = { url: server.url, userId, password, operators: [operator.userId], folder };
  return {
    server,
    operator,
    start: (channels, options = {}) =>
      startTestAgent({ ...common, yaml: `channels: ${channels}`, ...options }),
  };
};

const everywhere = ({ server }: Site): { type: string; content: JsonObject }[] =>
  [...server.world.rooms.keys()].flatMap((roomId) => [...server.events(roomId)]) as never;

/** The alarm events of the data room. */
const alarms = (here: Site): JsonObject[] =>
  everywhere(here)
    .filter(({ type }) => type === "dev.petrel.alarm")
    .map(({ content }) => content);

const states = (here: Site): unknown[] => alarms(here).map(({ state, value }) => [state, value]);

/** The messages about alarms in the people room: not the card and not replies to commands. */
const messages = (here: Site): { content: JsonObject; eventId: string; body: string }[] =>
  everywhere(here)
    .filter(({ content, type }) => type === "m.room.message" && /^[⚠🚨ℹ✓]/u.test(String(content["body"])))
    .map((event) => ({ eventId: "", ...event, body: String(event.content["body"]) }));

const VOLTAGE = "{ battery/voltage: { unit: V, alarm: { below: 10.5, clear: 10.8, severity: critical } } }";

const volts = (value: number): { name: string; value: number } => ({ name: "battery/voltage", value });

describe("an alarm", () => {
  it("is an event for machines and a message that mentions the operators; its end rings nowhere", async () => {
    const here = await site();
    const { probe } = await here.start(VOLTAGE);
    await probe.emit([volts(11), volts(10.4), volts(10.3)]);
    await here.server.waitUntil(() => messages(here).length === 1 && alarms(here).length === 1);
    await probe.emit([volts(10.7), volts(10.9)]);
    await here.server.waitUntil(() => messages(here).length === 2 && alarms(here).length === 2);
    const [raised, cleared] = messages(here);
    expect(raised?.body).toMatch(/^🚨 drone-1: battery\/voltage is 10\.4 V, below 10\.5 V\ncritical/);
    expect(raised?.content).toMatchObject({
      msgtype: "m.text",
      "m.mentions": { user_ids: [here.operator.userId] },
    });
    expect(cleared?.content).toMatchObject({
      msgtype: "m.notice",
      "m.mentions": {},
      "m.relates_to": { "m.in_reply_to": { event_id: raised?.eventId } },
    });
    expect(alarms(here)).toMatchObject([
      { state: "raised", value: "10.4", unit: "V", threshold: "10.5", seq: 1, condition: "below" },
      { state: "cleared", value: "10.9", clear: "10.8", seq: 4 },
    ]);
    for (const content of alarms(here)) expect(conforms(content), JSON.stringify(conforms.errors)).toBe(true);
    expect(new Set(alarms(here).map(({ id }) => id)).size).toBe(1);
  });

  it("of a switch compares with true, and leaves out what cannot be compared", async () => {
    const here = await site();
    const running = await here.start(
      "{ door: { alarm: { equals: true, mention: room, text: Somebody is in } } }",
    );
    await running.probe.emit([
      { name: "door", value: "true" },
      { name: "door", value: 1 },
    ]);
    await running.probe.emit([
      { name: "door", value: false },
      { name: "door", value: true },
    ]);
    await here.server.waitUntil(() => messages(here).length === 1);
    expect(messages(here)[0]?.body).toContain("drone-1: Somebody is in\ndoor is true");
    expect(messages(here)[0]?.content["m.mentions"]).toEqual({ room: true });
    await here.server.waitUntil(() => alarms(here).length === 1);
    expect(alarms(here)).toMatchObject([{ value: true, value_type: "boolean", threshold: true, seq: 3 }]);
    expect(running.log.filter(({ message }) => message.includes("cannot be compared"))).toHaveLength(1);
  });

  it("that must hold is raised by time alone where no further reading comes", async () => {
    const here = await site();
    const { probe } = await here.start("{ door: { alarm: { equals: true, for: 300ms } } }");
    await probe.emit([{ name: "door", value: true }]);
    await here.server.waitUntil(() => alarms(here).length === 1);
    expect(alarms(here)).toMatchObject([{ state: "raised", value: true, seq: 0 }]);
  });

  it("is raised by a missing reading and cleared by the next one, thinned out or not", async () => {
    const here = await site();
    const { probe } = await here.start(
      "{ gps/fix: { every: 1h, alarm: { stale_after: 400ms, every: 0s } } }",
    );
    await here.server.waitUntil(() => alarms(here).length >= 1);
    await probe.emit([{ name: "gps/fix", value: 3 }]);
    await here.server.waitUntil(() => alarms(here).length >= 3);
    await probe.emit([{ name: "gps/fix", value: 4 }]);
    await here.server.waitUntil(() => alarms(here).length >= 4 && messages(here).length >= 4);
    expect(states(here).slice(0, 4)).toEqual([
      ["raised", undefined],
      ["cleared", "3"],
      ["raised", "3"],
      ["cleared", "4"],
    ]);
    expect(messages(here)[0]?.body).toContain("gps/fix: no reading for");
    for (const content of alarms(here)) expect(conforms(content), JSON.stringify(conforms.errors)).toBe(true);
  });

  it("turns on readings that are thinned out", async () => {
    const here = await site();
    const { probe } = await here.start("{ t: { every: 1h, alarm: { above: 80 } } }");
    await probe.emit([20, 21, 81, 82, 50, 51].map((value) => ({ name: "t", value })));
    await here.server.waitUntil(() => alarms(here).length === 2);
    expect(states(here)).toEqual([
      ["raised", "81"],
      ["cleared", "50"],
    ]);
  });

  it("stays raised through a restart, is not told again, and clears after it", async () => {
    const here = await site();
    const first = await here.start(VOLTAGE);
    await first.probe.emit([volts(10)]);
    await here.server.waitUntil(() => messages(here).length === 1 && alarms(here).length === 1);
    await first.stop();
    const second = await here.start(VOLTAGE);
    expect(second.agent.snapshot().alarms).toMatchObject([{ name: "battery/voltage", severity: "critical" }]);
    await second.probe.emit([volts(9.9), volts(9.8), volts(11)]);
    await here.server.waitUntil(() => alarms(here).length === 2);
    expect(states(here)).toEqual([
      ["raised", "10"],
      ["cleared", "11"],
    ]);
  });

  it("is over when the configuration no longer watches for it", async () => {
    const here = await site();
    const first = await here.start(VOLTAGE);
    await first.probe.emit([volts(10)]);
    await here.server.waitUntil(() => messages(here).length === 1 && alarms(here).length === 1);
    await first.stop();
    await here.start("{}");
    await here.server.waitUntil(() => messages(here).length === 2 && alarms(here).length === 2);
    expect(alarms(here)[1]).toMatchObject({ state: "cleared", reason: "removed" });
    for (const content of alarms(here)) expect(conforms(content), JSON.stringify(conforms.errors)).toBe(true);
  });

  it("is raised by a reading that the full journal refuses", async () => {
    const here = await site();
    await here.server.offline();
    const { probe } = await here.start(VOLTAGE, {
      yaml: `channels: ${VOLTAGE}\n`,
      journal: "{ max_bytes: 2kB, when_full: reject }",
    });
    for (let full = false; !full; ) full = (await probe.emit([{ name: "n" }])).outcome === "refused";
    expect(await probe.emit([volts(10)])).toMatchObject({ outcome: "refused" });
    await here.server.online();
    await here.server.waitUntil(() => alarms(here).length === 1, 30_000);
    expect(alarms(here)[0]).not.toHaveProperty("seq");
  });
});

describe("an alarm before telemetry", () => {
  const batches = (here: Site): number =>
    everywhere(here).filter(({ type }) => type === "dev.petrel.telemetry").length;

  /** Readings in the room, however many an event holds. */
  const covered = (here: Site): number =>
    everywhere(here)
      .filter(({ type }) => type === "dev.petrel.telemetry")
      .reduce((sum, { content }) => sum + Number(content["count"]), 0);

  const FILLED = 6_000;

  const fill = async ({ probe }: TestAgent): Promise<void> => {
    for (let from = 0; from < FILLED / 100; from += 1)
      await probe.emit(Array.from({ length: 100 }, (_, index) => ({ name: "n", value: from * 100 + index })));
  };

  it("leaves first after an outage, though raised behind a backlog", async () => {
    const here = await site();
    const running = await here.start(VOLTAGE);
    await here.server.waitUntil(() => running.agent.upstream.rooms() !== null);
    await here.server.offline();
    await fill(running);
    await running.probe.emit([volts(10)]);
    const before = batches(here);
    await here.server.online();
    await here.server.waitUntil(() => messages(here).length === 1 && alarms(here).length === 1, 30_000);
    const types = everywhere(here).map(({ type }) => type);
    const ahead = types
      .slice(0, types.indexOf("dev.petrel.alarm"))
      .filter((type) => type === "dev.petrel.telemetry");
    expect(ahead.length - before).toBeLessThanOrEqual(2);
    await here.server.waitUntil(() => covered(here) === FILLED + 1, 30_000);
  });

  it("leaves at the end of a rate limit, before the backlog that waited with it", async () => {
    const here = await site();
    const running = await here.start(VOLTAGE);
    await here.server.waitUntil(() => running.agent.upstream.rooms() !== null);
    const sending = { method: "PUT", path: /\/send\// };
    const limited = here.server.fault({ kind: "limited", retryAfterMs: 500, match: sending, times: 10_000 });
    await fill(running);
    await here.server.waitUntil(() => limited.hits() > 0);
    const before = batches(here);
    await running.probe.emit([volts(10)]);
    here.server.clearFaults();
    await here.server.waitUntil(() => messages(here).length === 1 && alarms(here).length === 1, 30_000);
    const types = everywhere(here).map(({ type }) => type);
    const ahead = types
      .slice(0, types.indexOf("dev.petrel.alarm"))
      .filter((type) => type === "dev.petrel.telemetry");
    expect(ahead.length - before).toBeLessThanOrEqual(2);
  });
});

describe("the commands", () => {
  const ask = async (here: Site, { agent }: TestAgent, body: string): Promise<string> => {
    await here.server.waitUntil(() => agent.upstream.rooms() !== null);
    const roomId = agent.upstream.rooms()?.people.roomId ?? "";
    const { eventId } = here.server.inject({
      roomId,
      sender: here.operator.userId,
      type: "m.room.message",
      content: { msgtype: "m.text", body },
    });
    const answers = () =>
      here.server
        .events(roomId)
        .filter(({ content }) => JSON.stringify(content["m.relates_to"] ?? "").includes(eventId));
    await here.server.waitUntil(() => answers().length > 0);
    return String(answers()[0]?.content["body"]);
  };

  it("alarms and ack list what is raised and note who has seen it", async () => {
    const here = await site();
    const running = await here.start(VOLTAGE);
    expect(await ask(here, running, "alarms")).toBe("no alarm; watched for: battery/voltage below 10.5 V");
    expect(await ask(here, running, "ack all")).toContain("there is none");
    await running.probe.emit([volts(10)]);
    await here.server.waitUntil(() => alarms(here).length === 1);
    const id = String(alarms(here)[0]?.["id"]);
    expect(await ask(here, running, "alarms")).toContain(
      `battery/voltage is 10 V, below 10.5 V (now, alarm ${id})`,
    );
    expect(await ask(here, running, "ack nothing")).toContain(`there are ${id}`);
    expect(await ask(here, running, `ack ${id.toUpperCase()}`)).toContain(`acknowledged: ${id}`);
    expect(await ask(here, running, "status")).toContain(`acknowledged by ${here.operator.userId}`);
    await running.probe.emit([volts(12)]);
    await here.server.waitUntil(() => alarms(here).length === 2);
    expect(alarms(here)[1]).toMatchObject({ state: "cleared", acknowledged: { by: here.operator.userId } });
    expect(conforms(alarms(here)[1]), JSON.stringify(conforms.errors)).toBe(true);
  });
});
