// Births and wills of the whole agent on the loopback homeserver, in each form of delayed events that servers have.
import { describe, expect, it, onTestFinished } from "vitest";
import { parseStatus, type Status } from "#agent/liveness/status-event.ts";
import type { Homeserver, HomeserverOptions } from "#test/homeserver/api.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent, type TestAgent, type TestAgentOptions, temporaryFolder } from "../whole-agent.ts";

/** Puts off often, fires late: a slow machine must not look like a dead agent. */
const PATIENT = "{ interval: 200ms, timeout: 1h }";
/** Fires by itself while the test looks on. */
const IMPATIENT = "{ interval: 150ms, timeout: 500ms }";

interface Site {
  readonly server: Homeserver;
  start(options?: Partial<TestAgentOptions>): Promise<TestAgent>;
  statuses(agent: TestAgent): Status[];
  wills(): number;
  cards(agent: TestAgent): string[];
}

const site = async (options: HomeserverOptions = {}): Promise<Site> => {
  const server = await startHomeserver(options);
  onTestFinished(() => server.stop());
  const { password, userId } = await server.addUser("drone");
  const folder = temporaryFolder();
  const events = (roomId: string | undefined) => (roomId === undefined ? [] : server.events(roomId));
  return {
    server,
    start: (more = {}) =>
      startTestAgent({ url: server.url, userId, password, folder, liveness: PATIENT, ...more }),
    statuses: ({ agent }) =>
      events(agent.upstream.rooms()?.data.roomId)
        .filter(({ type }) => type === "dev.petrel.status")
        .map(({ content }) => parseStatus(content))
        .filter((status) => status !== null),
    wills: () => server.world.delayed.size,
    cards: ({ agent }) =>
      events(agent.upstream.rooms()?.people.roomId)
        .filter(({ type, sender }) => type === "m.room.message" && sender === userId)
        .map(({ content }) => String(content["body"])),
  };
};

const restarts = ({ server }: Site): number =>
  server.countRequests({ method: "POST", path: /delayed_events\/\w+(?:\/restart)?$/, status: 200 });

/** Ends the agent's link as a kill does: nothing is said, nothing is cancelled. */
const silence = ({ server }: Site): void => {
  server.fault({ kind: "refused", times: Number.POSITIVE_INFINITY });
};

describe.each(["shipped", "body", "accepted"] as const)("with delayed events in the form %s", (form) => {
  it("a birth is told, and the wills are put off again and again", async () => {
    const here = await site({ delayedEventForm: form });
    const agent = await here.start();
    await here.server.waitUntil(() => here.wills() === 2 && restarts(here) >= 3);
    await here.server.waitUntil(() => here.statuses(agent).length === 1);
    expect(here.statuses(agent)).toMatchObject([{ kind: "birth", session: 1, bootSeq: 1 }]);
  });

  it("a clean end says goodbye and leaves no will behind", async () => {
    const here = await site({ delayedEventForm: form });
    const agent = await here.start();
    await here.server.waitUntil(() => here.wills() === 2 && here.statuses(agent).length === 1);
    await agent.stop();
    expect(here.statuses(agent)).toMatchObject([{ kind: "birth" }, { kind: "death", reason: "stopped" }]);
    expect(here.wills()).toBe(0);
  });

  it("a device that falls silent is declared dead by the server, in the room and on the card", async () => {
    const here = await site({ delayedEventForm: form });
    const agent = await here.start({ liveness: IMPATIENT });
    await here.server.waitUntil(() => here.wills() === 2);
    silence(here);
    await here.server.waitUntil(() => here.statuses(agent).at(-1)?.kind === "death");
    expect(here.statuses(agent).at(-1)).toMatchObject({ reason: "lost" });
    await here.server.waitUntil(() => here.cards(agent).some((card) => card.includes("offline (no word")));
  });
});

it("a device that comes back after its will was sent begins another session, and its card says so", async () => {
  const here = await site();
  const agent = await here.start({ liveness: IMPATIENT });
  await here.server.waitUntil(() => here.wills() === 2);
  await here.server.offline();
  await expect.poll(() => here.wills(), { timeout: 20_000 }).toBe(0);
  await here.server.online();
  agent.agent.upstream.poke();
  const revived = (): boolean => {
    const all = here.statuses(agent);
    const death = all.findIndex(({ kind }) => kind === "death");
    return (
      death !== -1 &&
      all.some(({ kind, session }) => kind === "birth" && session > (all[death]?.session ?? 0))
    );
  };
  await here.server.waitUntil(revived, 30_000);
  await here.server.waitUntil(() => here.cards(agent).at(-1)?.includes("online") === true, 30_000);
});

it("what an agent left behind that was killed is dropped by the next one before its own", async () => {
  const here = await site();
  const first = await here.start();
  await here.server.waitUntil(() => here.wills() === 2);
  silence(here);
  await first.stop();
  expect(here.wills()).toBe(2);
  const left = new Set(here.server.world.delayed.keys());
  here.server.clearFaults();
  const second = await here.start();
  await here.server.waitUntil(
    () => here.wills() === 2 && ![...here.server.world.delayed.keys()].some((id) => left.has(id)),
  );
  await here.server.waitUntil(() => here.statuses(second).at(-1)?.session === 2);
});

describe("without delayed events", () => {
  it.each([
    { profile: "synapse", delayedEventMaxMs: null },
    { profile: "dendrite" },
    { profile: "conduit" },
  ] as const)("nothing is asked of the server that it would send at once: %j", async (options) => {
    const here = await site(options);
    const agent = await here.start({ liveness: "{ interval: 100ms, timeout: 300ms }" });
    await here.server.waitUntil(() => here.statuses(agent).length === 1);
    await here.server.waitUntil(() => here.server.countRequests({ path: /\/capabilities/, status: 200 }) > 0);
    await agent.stop();
    expect(here.statuses(agent).map(({ kind }) => kind)).toEqual(["birth", "death"]);
    expect(here.server.requests().some(({ query }) => query.includes("delay"))).toBe(false);
  });

  it("heartbeats are told where the configuration asks for them", async () => {
    const here = await site({ profile: "dendrite" });
    const agent = await here.start({ liveness: "{ interval: 150ms, timeout: 1s, heartbeats: true }" });
    await here.server.waitUntil(
      () => here.statuses(agent).filter(({ kind }) => kind === "heartbeat").length >= 2,
    );
    expect(new Set(here.statuses(agent).map(({ session }) => session))).toEqual(new Set([1]));
  });
});

it("a server that sends a will at once, though it said that it would wait, is never asked again", async () => {
  const here = await site();
  const agent = await here.start();
  await here.server.waitUntil(() => here.wills() === 2);
  await agent.stop();
  // Transaction IDs of wills begin with a w, those of the outbox with a p.
  const match = { method: "PUT", path: /\/send\/[^/]+\/w/ };
  const body = { event_id: "$sent" };
  const fault = here.server.fault({ kind: "status", status: 200, body, match, times: 100 });
  const second = await here.start({ liveness: "{ interval: 100ms, timeout: 1h }" });
  const births = (): Status[] =>
    here.statuses(second).filter(({ kind, session }) => kind === "birth" && session > 1);
  await here.server.waitUntil(() => births().some(({ session }) => session === 3));
  await second.probe.emit([{ value: 1 }]);
  await here.server.waitUntil(() => here.server.countRequests({ path: /send\/dev\.petrel\.telemetry/ }) > 0);
  expect(fault.hits()).toBe(1);
});

it("in an encrypted room no will is left, since a server could only send it in clear", async () => {
  const here = await site();
  const paired = await here.start();
  await here.server.waitUntil(() => here.wills() === 2);
  const rooms = paired.agent.upstream.rooms();
  await paired.stop();
  for (const room of [rooms?.data, rooms?.people])
    here.server.inject({
      roomId: room?.roomId ?? "",
      sender: paired.agent.upstream.client()?.userId ?? "",
      type: "m.room.encryption",
      stateKey: "",
      content: { algorithm: "m.megolm.v1.aes-sha2" },
    });
  const looked = (): number =>
    here.server.countRequests({ path: /\/state\/m\.room\.encryption/, status: 200 });
  await here.start();
  await here.server.waitUntil(() => looked() >= 4);
  expect(here.wills()).toBe(0);
});
