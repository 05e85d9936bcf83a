// The sync loop on bad days: each fault of the network, of proxies and of servers, once and several times; every event is handed on exactly once.
import { describe, expect, it } from "vitest";
import { EMPTY_POLL_PAUSE_MS, EMPTY_POLLS_MAX, GAP_EVENTS_MAX } from "#agent/matrix/limits.ts";
import type { FaultKind } from "#test/homeserver/faults.ts";
import {
  countsOf,
  failureOf,
  onceEach,
  openRig,
  type Pair,
  PROFILES,
  pairInARoom,
  type Running,
  receivedIn,
  runSync,
} from "./support.ts";

const SYNC = /\/sync$/;
const MESSAGES = /\/messages$/;

const FAULTS: readonly FaultKind[] = [
  { kind: "answer-lost" },
  { kind: "refused" },
  { kind: "limited", retryAfterMs: 3000 },
  { kind: "limited", retryAfterMs: 3000, header: false },
  { kind: "status", status: 502 },
  { kind: "status", status: 500, body: { errcode: "M_UNKNOWN", error: "Internal server error" } },
  { kind: "slow", delayMs: 30 },
  { kind: "cut" },
  { kind: "html" },
  { kind: "html", status: 504 },
  { kind: "duplicate-sync" },
  { kind: "gap", limit: 1 },
];

const nameOf = (fault: FaultKind): string => JSON.stringify(fault);

const started = async (pair: Pair): Promise<Running> => {
  const running = runSync(pair.rig);
  await running.until(() => running.batches.length > 0);
  return running;
};

const allArrived = (running: Running, eventIds: readonly string[]) => (): boolean =>
  countsOf(running.received(), eventIds).every((count) => count > 0);

describe.each(FAULTS.map((fault) => [nameOf(fault), fault] as const))("with %s", (_name, fault) => {
  it("hands on every event exactly once, however often it happens in a row", async () => {
    const pair = await pairInARoom();
    const running = await started(pair);
    const eventIds: string[] = [];
    for (const times of [1, 3]) {
      pair.server.fault({ ...fault, times, match: { path: SYNC } });
      running.sync.poke();
      for (let n = 0; n < 5; n += 1) eventIds.push(await pair.say(`${times}-${n}`));
      await running.until(allArrived(running, eventIds));
    }
    expect(countsOf(running.received(), eventIds)).toEqual(onceEach(eventIds));
    await running.end();
  });
});

// Fail the 1st, 2nd, ... Nth request of a scenario, until it runs without having met the fault.
describe.each([{ kind: "answer-lost" }, { kind: "cut" }, { kind: "refused" }, { kind: "html" }] as const)(
  "with the n-th request of all $kind",
  (fault) => {
    it("fills a gap after a restart, nothing twice and nothing missing", async () => {
      const pair = await pairInARoom();
      const { store } = pair.rig;
      await (await started(pair)).end();
      const missed: string[] = [];
      let hits = 1;
      for (let skip = 0; hits > 0; skip += 1) {
        missed.push(...pair.sayMany(130));
        const handle = pair.server.fault({ ...fault, skip, match: { path: /^\/_matrix/ } });
        const running = runSync(await openRig(pair.server.url, pair.device, { store }));
        await running.until(allArrived(running, missed));
        await running.end();
        hits = handle.hits();
        handle.remove();
      }
      expect(missed.length).toBeGreaterThanOrEqual(5 * 130);
      expect(countsOf(receivedIn(store), missed)).toEqual(onceEach(missed));
    });
  },
);

describe.each(PROFILES)("on %s", (profile) => {
  it("fills a gap that the server makes while all goes well", async () => {
    const pair = await pairInARoom({ profile });
    const running = await started(pair);
    await pair.server.offline();
    const missed = pair.sayMany(40);
    pair.server.fault({ kind: "gap", limit: 1, match: { path: SYNC }, times: 2 });
    await pair.server.online();
    running.sync.poke();
    await running.until(allArrived(running, missed));
    const ours = running.received().filter(({ eventId }) => missed.includes(eventId));
    expect(ours.map(({ eventId }) => eventId)).toEqual(missed);
    expect(ours.at(-2)?.provenance).toBe("gap");
    await running.end();
  });
});

describe("a server that says the same again and again", () => {
  it("is not asked without a pause, and nothing comes twice", async () => {
    const pair = await pairInARoom();
    const pauses: number[] = [];
    const { runtime } = pair.rig;
    const timers: typeof runtime.timers = {
      after: (delayMs, callback) => {
        pauses.push(delayMs);
        return runtime.timers.after(delayMs, callback);
      },
    };
    const running = runSync(pair.rig, { runtime: { ...runtime, timers } });
    await running.until(() => running.batches.length > 0);
    const eventId = await pair.say("once");
    await running.until(allArrived(running, [eventId]));
    const again = pair.server.fault({ kind: "duplicate-sync", times: 10_000, match: { path: SYNC } });
    running.sync.poke();
    await running.until(() => pauses.includes(EMPTY_POLL_PAUSE_MS));
    expect(again.hits()).toBeGreaterThan(EMPTY_POLLS_MAX);
    pair.server.clearFaults();
    expect(countsOf(running.received(), [eventId])).toEqual([1]);
    await running.end();
  });
});

describe("a gap", () => {
  it("that is longer than what is fetched is said to be cut, and the newest are there", async () => {
    const pair = await pairInARoom();
    await (await started(pair)).end();
    const missed = pair.sayMany(GAP_EVENTS_MAX + 300);
    const running = runSync(await openRig(pair.server.url, pair.device, { store: pair.rig.store }));
    await running.until(() => running.batches.some(({ joined }) => joined.size > 0));
    const room = running.batches.find(({ joined }) => joined.size > 0)?.joined.get(pair.roomId);
    expect(room?.truncated).toBe(true);
    expect(room?.timeline.at(-1)?.event.eventId).toBe(missed.at(-1));
    expect(room?.timeline.length).toBeGreaterThanOrEqual(GAP_EVENTS_MAX);
    await running.end();
  });

  it("that the server cannot show (500, for ever) does not hold up what is new", async () => {
    const pair = await pairInARoom();
    await (await started(pair)).end();
    const missed = pair.sayMany(80);
    const body = { errcode: "M_UNKNOWN", error: "Internal server error" };
    pair.server.fault({ kind: "status", status: 500, body, match: { path: MESSAGES }, times: 1000 });
    const running = runSync(await openRig(pair.server.url, pair.device, { store: pair.rig.store }));
    await running.until(allArrived(running, missed.slice(-10)));
    const room = running.batches.find(({ joined }) => joined.size > 0)?.joined.get(pair.roomId);
    expect(room?.truncated).toBe(true);
    await running.end();
  });
});

describe("the operator", () => {
  it("is told when the server goes and when it is back", async () => {
    const pair = await pairInARoom();
    const running = await started(pair);
    await pair.server.offline();
    await running.until(() => running.states.at(-1)?.state === "offline");
    await pair.server.online();
    await running.until(() => running.states.at(-1)?.state === "online");
    expect(running.states.map(({ state }) => state).slice(0, 2)).toEqual(["connecting", "online"]);
    const offline = running.states.find((state) => state.state === "offline");
    expect(offline?.reason).toMatch(/connection (refused|was cut)/);
    await running.end();
  });

  it("is told what to do when the server has logged the device out, and the loop ends", async () => {
    const pair = await pairInARoom();
    const running = await started(pair);
    pair.server.revokeTokens(pair.device.userId);
    running.sync.poke();
    const error = await failureOf(running.done);
    expect(error.kind).toBe("auth");
    expect(error.message).toContain("petrel login");
  });

  it("hears nothing when a token has merely expired", async () => {
    const pair = await pairInARoom();
    const running = await started(pair);
    pair.server.expireTokens(pair.device.userId);
    running.sync.poke();
    const said = await pair.say("after");
    await running.until(allArrived(running, [said]));
    expect(running.states.map(({ state }) => state)).toEqual(["connecting", "online"]);
    await running.end();
  });
});
