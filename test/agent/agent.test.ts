// The main job, whole agent in one process, on the habits of each server: readings go up once and in order, commands come down and run once.
import { describe, expect, it, onTestFinished } from "vitest";
import { parseTelemetry, type ReceivedTelemetry } from "#agent/telemetry/index.ts";
import type { Homeserver, TestUser } from "#test/homeserver/api.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import type { ProfileName } from "#test/homeserver/profile.ts";
import { startTestAgent, type TestAgent, type TestAgentOptions } from "./whole-agent.ts";

interface Site {
  readonly server: Homeserver;
  readonly device: TestUser;
  readonly operator: TestUser;
  start(options?: Partial<TestAgentOptions>): Promise<TestAgent>;
}

const site = async (profile: ProfileName = "synapse"): Promise<Site> => {
  const server = await startHomeserver({ profile });
  onTestFinished(() => server.stop());
  const device = await server.addUser("drone");
  const operator = await server.addUser("alice");
  const { password, userId } = device;
  return {
    server,
    device,
    operator,
    start: (options = {}) =>
      startTestAgent({ url: server.url, userId, password, operators: [operator.userId], ...options }),
  };
};

const rooms = async ({ server }: Site, { agent }: TestAgent): Promise<{ data: string; people: string }> => {
  await server.waitUntil(() => agent.upstream.rooms() !== null);
  const found = agent.upstream.rooms();
  return { data: found?.data.roomId ?? "", people: found?.people.roomId ?? "" };
};

const telemetry = ({ server }: Site, roomId: string): ReceivedTelemetry[] =>
  server
    .events(roomId)
    .filter(({ type }) => type === "dev.petrel.telemetry")
    .map(({ content }) => parseTelemetry(content));

const values = (site: Site, roomId: string): unknown[] =>
  telemetry(site, roomId).flatMap(({ readings }) => readings.map(({ value }) => value));

const numbers = (from: number, count: number): { name: string; value: number }[] =>
  Array.from({ length: count }, (_, index) => ({ name: "n", value: from + index }));

const say = (site: Site, roomId: string, body: string, ts?: number): string => {
  const sender = site.operator.userId;
  const stamp = ts === undefined ? {} : { ts };
  return site.server.inject({
    roomId,
    sender,
    type: "m.room.message",
    content: { msgtype: "m.text", body },
    ...stamp,
  }).eventId;
};

const replies = ({ device, server }: Site, roomId: string): string[] =>
  server
    .events(roomId)
    .filter(
      ({ sender, content }) => sender === device.userId && JSON.stringify(content).includes("m.in_reply_to"),
    )
    .map(({ content }) => String(content["body"]));

describe.each<ProfileName>(["synapse", "dendrite", "conduit"])("an agent on a server like %s", (profile) => {
  it("brings readings into the data room, each once, in order", async () => {
    const here = await site(profile);
    const running = await here.start();
    const { data } = await rooms(here, running);
    for (let from = 0; from < 300; from += 50) await running.probe.emit(numbers(from, 50));
    await here.server.waitUntil(() => values(here, data).length >= 300);
    expect(values(here, data)).toEqual(numbers(0, 300).map(({ value }) => value));
    const seqs = telemetry(here, data).flatMap(({ readings }) => readings.map(({ seq }) => seq));
    expect(seqs).toEqual(Array.from({ length: 300 }, (_, seq) => seq));
  });

  it("answers a command of an operator and shows that it has seen it", async () => {
    const here = await site(profile);
    const running = await here.start();
    const { people } = await rooms(here, running);
    await running.probe.emit([{ name: "battery/voltage", value: 11.1, unit: "V" }]);
    say(here, people, "get battery/voltage");
    await here.server.waitUntil(() => replies(here, people).length > 0);
    expect(replies(here, people)[0]).toContain("battery/voltage: 11.1 V");
  });

  it("keeps one status message and edits it", async () => {
    const here = await site(profile);
    const running = await here.start();
    const { people } = await rooms(here, running);
    const messages = () =>
      here.server
        .events(people)
        .filter(({ type, sender }) => type === "m.room.message" && sender === here.device.userId);
    await here.server.waitUntil(() => messages().length >= 1);
    for (const value of [1, 2]) {
      await running.probe.emit([{ name: "battery/voltage", value }]);
      await here.server.waitUntil(() => messages().length > value);
    }
    const edits = messages()
      .slice(1)
      .map(({ content }) => content["m.relates_to"]);
    for (const edit of edits)
      expect(edit).toMatchObject({ rel_type: "m.replace", event_id: messages()[0]?.eventId });
  });
});

describe("delivery through faults", () => {
  const sending = { method: "PUT", path: /\/send\/dev\.petrel\.telemetry/ };

  it("finds an event whose answer was lost instead of sending it again", async () => {
    const here = await site("dendrite");
    const running = await here.start();
    const { data } = await rooms(here, running);
    const fault = here.server.fault({ kind: "answer-lost", match: sending });
    await running.probe.emit(numbers(0, 250));
    await here.server.waitUntil(() => values(here, data).length >= 250 && fault.hits() === 1);
    await running.probe.emit(numbers(250, 10));
    await here.server.waitUntil(() => values(here, data).length >= 260);
    expect(values(here, data)).toEqual(numbers(0, 260).map(({ value }) => value));
    expect(running.agent.upstream.sender()?.stats().found).toBeGreaterThan(0);
  });

  it.each(["synapse", "dendrite", "conduit"] as const)(
    "sends nothing twice when %s restarts between an attempt and its answer",
    async (profile) => {
      const here = await site(profile);
      const first = await here.start();
      const { data } = await rooms(here, first);
      const fault = here.server.fault({ kind: "answer-lost", match: sending, times: 1 });
      await first.probe.emit(numbers(0, 100));
      await here.server.waitUntil(() => fault.hits() === 1);
      await first.stop();
      await here.server.restart();
      const second = await here.start({ folder: first.folder });
      await rooms(here, second);
      await second.probe.emit(numbers(100, 100));
      await here.server.waitUntil(() => values(here, data).length >= 200);
      expect(values(here, data)).toEqual(numbers(0, 200).map(({ value }) => value));
    },
  );

  it("keeps what it accepted while the server is away and delivers it in order", async () => {
    const here = await site();
    const running = await here.start();
    const { data } = await rooms(here, running);
    await here.server.offline();
    for (let from = 0; from < 1000; from += 100) await running.probe.emit(numbers(from, 100));
    await here.server.online();
    running.agent.upstream.poke();
    await here.server.waitUntil(() => values(here, data).length >= 1000);
    expect(values(here, data)).toEqual(numbers(0, 1000).map(({ value }) => value));
  });

  it("waits as long as a rate limit asks and loses nothing", async () => {
    const here = await site();
    const running = await here.start();
    const { data } = await rooms(here, running);
    here.server.fault({ kind: "limited", match: sending, retryAfterMs: 300, times: 2 });
    await running.probe.emit(numbers(0, 50));
    await here.server.waitUntil(() => values(here, data).length >= 50);
    expect(values(here, data)).toEqual(numbers(0, 50).map(({ value }) => value));
  });

  it("sets aside what the server will never take and goes on behind it", async () => {
    const here = await site();
    const running = await here.start();
    const { data } = await rooms(here, running);
    here.server.fault({
      kind: "status",
      status: 413,
      body: { errcode: "M_TOO_LARGE", error: "too large" },
      match: sending,
      times: 1,
    });
    await running.probe.emit(numbers(0, 100));
    await running.probe.emit(numbers(100, 100));
    await here.server.waitUntil(() => values(here, data).length >= 100);
    expect(values(here, data)[0]).toBe(100);
    expect(running.log.some(({ message }) => message.includes("set aside"))).toBe(true);
  });

  it("makes one status message even when the answer to its first version is lost", async () => {
    const here = await site();
    const match = { method: "PUT", path: /\/send\/m\.room\.message/ };
    const fault = here.server.fault({ kind: "answer-lost", match, times: 1 });
    const running = await here.start();
    const { people } = await rooms(here, running);
    await here.server.waitUntil(() => fault.hits() === 1);
    const messages = () =>
      here.server
        .events(people)
        .filter(({ type, sender }) => type === "m.room.message" && sender === here.device.userId);
    for (const value of [1, 2]) {
      await running.probe.emit([{ name: "battery/voltage", value }]);
      await here.server.waitUntil(() => messages().length > value);
    }
    expect(messages().filter(({ content }) => content["m.relates_to"] === undefined)).toHaveLength(1);
  });

  it("recognises a delivery of the source that was journalled before", async () => {
    const here = await site();
    const running = await here.start();
    const { data } = await rooms(here, running);
    expect(await running.probe.emit(numbers(1, 1), "id-1")).toEqual({ outcome: "durable" });
    expect(await running.probe.emit(numbers(1, 1), "id-1", true)).toEqual({ outcome: "repeated" });
    expect(await running.probe.emit(numbers(1, 1), "id-1", false)).toEqual({ outcome: "durable" });
    await here.server.waitUntil(() => values(here, data).length >= 2);
    expect(values(here, data)).toEqual([1, 1]);
  });
});

const RELAY = `commands:
  list:
    relay:
      help: switches the relay
      args: { state: { one_of: [on, off] } }
      write: { driver: probe, target: relay/set, payload: "{state}" }
    hello: { level: 0, run: { program: /bin/echo, args: ["hello", "{who}"] }, args: { who: {} } }
`;

const payloads = ({ probe }: TestAgent): string[] =>
  probe.written.map(({ target, payload }) => `${target} ${new TextDecoder().decode(payload)}`);

describe("commands", () => {
  const commanded = async (
    options: Partial<TestAgentOptions> = {},
  ): Promise<{ here: Site; running: TestAgent; people: string }> => {
    const here = await site();
    const running = await here.start({ yaml: RELAY, ...options });
    const { people } = await rooms(here, running);
    // What comes with the first sync counts as history.
    await here.server.waitUntil(() => here.server.countRequests({ path: /\/sync/, status: 200 }) > 0);
    return { here, running, people };
  };
  const answered = (here: Site, people: string, count = 1): Promise<void> =>
    here.server.waitUntil(() => replies(here, people).length >= count);

  it("writes to a driver what an operator asks for", async () => {
    const { here, running, people } = await commanded();
    say(here, people, "!petrel relay on");
    await answered(here, people);
    expect(payloads(running)).toEqual(["relay/set on"]);
    expect(replies(here, people)).toEqual(['sent "on" to probe relay/set']);
  });

  it("runs an allow-listed program without a shell", async () => {
    const { here, people } = await commanded();
    say(here, people, "!petrel hello '$(reboot); `id`'");
    await answered(here, people);
    expect(replies(here, people)).toEqual(["hello $(reboot); `id`"]);
  });

  it("names the allowed values when an argument is wrong", async () => {
    const { here, running, people } = await commanded();
    say(here, people, "!petrel relay sideways");
    await answered(here, people);
    expect(replies(here, people)).toEqual(['✗ state: expected on or off, got "sideways"']);
    expect(running.probe.written).toEqual([]);
  });

  it("refuses a user without the power level, visibly", async () => {
    const { here, running, people } = await commanded();
    const mallory = await here.server.addUser("mallory");
    here.server.inject({
      roomId: people,
      sender: mallory.userId,
      type: "m.room.message",
      content: { msgtype: "m.text", body: "!petrel relay on" },
    });
    await answered(here, people);
    expect(replies(here, people)[0]).toContain(
      "relay was refused: power level 50 is needed in this room, yours is 0",
    );
    expect(running.probe.written).toEqual([]);
  });

  it("refuses a stale command, visibly", async () => {
    const { here, running, people } = await commanded();
    say(here, people, "!petrel relay on", Date.now() - 120_000);
    await answered(here, people);
    expect(replies(here, people)[0]).toContain("relay was refused: it is 120 s old");
    expect(running.probe.written).toEqual([]);
  });

  it("refuses what changes something while the clock is unset, and still answers what only tells", async () => {
    const wall = { wallMs: () => Date.UTC(1970, 0, 1) + performance.now(), monoMs: () => performance.now() };
    const { here, running, people } = await commanded({ clock: wall });
    say(here, people, "!petrel relay on");
    say(here, people, "!petrel version");
    await answered(here, people, 2);
    expect(replies(here, people).join("\n")).toContain(
      "relay was refused: this device does not know the time yet",
    );
    expect(replies(here, people).join("\n")).toContain("Petrel 0.");
    expect(running.probe.written).toEqual([]);
  });

  it("does not run a command again after a restart or when the server repeats it", async () => {
    const { here, running, people } = await commanded();
    here.server.fault({ kind: "duplicate-sync", times: 5 });
    say(here, people, "!petrel relay on");
    await answered(here, people);
    await running.stop();
    const again = await here.start({ yaml: RELAY, folder: running.folder });
    await rooms(here, again);
    say(here, people, "!petrel relay off");
    await answered(here, people, 2);
    expect([...payloads(running), ...payloads(again)]).toEqual(["relay/set on", "relay/set off"]);
  });

  it("takes a structured command event", async () => {
    const { here, running, people } = await commanded();
    const content = { v: 1, name: "relay", args: { state: "on" } };
    here.server.inject({ roomId: people, sender: here.operator.userId, type: "dev.petrel.command", content });
    await answered(here, people);
    expect(payloads(running)).toEqual(["relay/set on"]);
  });
});
