// The budget of events: learned from refusals, spent on alarms first.
import { describe, expect, it } from "vitest";
import { Budget } from "#agent/delivery/budget.ts";
import { LANES, type Lane } from "#agent/delivery/lanes.ts";
import { openPost } from "./support.ts";

/** Synapse's leaking bucket: 0.2 a second, ten at once. */
const leakingBucket = (perSecond: number, burst: number) => {
  let leaked = 0;
  let at = 0;
  return (nowMs: number): number | null => {
    leaked = Math.max(0, leaked - ((nowMs - at) / 1000) * perSecond);
    at = nowMs;
    if (leaked + 1 > burst) return Math.ceil(((leaked + 1 - burst) / perSecond) * 1000);
    leaked += 1;
    return null;
  };
};

interface Outcome {
  readonly sent: number;
  readonly refused: number;
  /** The longest time that an alarm, one a minute, waited; and the longest wait that the server asked for. */
  readonly alarmMs: number;
  readonly askedMs: number;
}

/** An hour of a backlog that never ends, with an alarm each minute. */
const hour = (perSecond: number, burst: number): Outcome => {
  const server = leakingBucket(perSecond, burst);
  const budget = new Budget();
  let [sent, refused, alarmMs, askedMs, heldUntil, raised] = [0, 0, 0, 0, 0, -1];
  const attempt = (lane: Lane, now: number): boolean => {
    if (now < heldUntil || budget.delayMs(lane, now) > 0) return false;
    budget.spend(lane, now);
    const retryAfterMs = server(now);
    if (retryAfterMs === null) {
      sent += 1;
      budget.accepted();
      return true;
    }
    refused += 1;
    heldUntil = now + retryAfterMs;
    askedMs = Math.max(askedMs, retryAfterMs);
    budget.limited(now, retryAfterMs);
    return false;
  };
  for (let now = 0; now < 3_600_000; now += 100) {
    if (now % 60_000 === 30_000) raised = now;
    if (raised >= 0 && attempt("alarm", now)) {
      alarmMs = Math.max(alarmMs, now - raised);
      raised = -1;
    }
    attempt("bulk", now);
  }
  return { sent, refused, alarmMs, askedMs };
};

describe("the budget of events", () => {
  it("is without limit until the server refuses something", () => {
    const budget = new Budget();
    for (let at = 0; at < 1000; at += 1) budget.spend("bulk", at);
    expect(LANES.map((lane) => budget.delayMs(lane, 1000))).toEqual([0, 0, 0, 0]);
  });

  it("leaves a token for an alarm when all else waits", () => {
    const budget = new Budget();
    budget.limited(0, 5000);
    expect(budget.delayMs("alarm", 5000)).toBe(0);
    expect(budget.delayMs("reply", 5000)).toBeGreaterThan(0);
    expect(budget.delayMs("state", 5000)).toBeGreaterThan(budget.delayMs("reply", 5000));
    expect(budget.delayMs("bulk", 5000)).toBe(5000);
  });

  it.each([
    ["Synapse's default", 0.2, 10],
    ["a generous server", 5, 20],
  ])(
    "against %s uses what there is, is refused seldom, and no alarm waits longer than one Retry-After",
    (_name, perSecond, burst) => {
      const { alarmMs, askedMs, refused, sent } = hour(perSecond, burst);
      expect(sent).toBeGreaterThan(perSecond * 3600 * 0.7);
      expect(refused).toBeLessThan(40);
      expect(alarmMs).toBeLessThanOrEqual(askedMs + 100);
    },
  );

  it("gives readings the first chance after a status message, which may change all the time", () => {
    const budget = new Budget();
    budget.limited(0, 1000);
    budget.spend("state", 2000);
    expect(budget.delayMs("bulk", 2000)).toBeLessThan(budget.delayMs("state", 2000));
    budget.spend("bulk", 4000);
    expect(budget.delayMs("state", 4000)).toBeLessThanOrEqual(budget.delayMs("bulk", 4000));
  });

  it("finds out that a limit was lifted", () => {
    const budget = new Budget();
    budget.limited(0, 5000);
    for (let now = 0; now < 40 * 600_000; now += 600_000) budget.delayMs("bulk", now);
    expect(budget.rate()).toBeNull();
  });
});

describe("an alarm behind a backlog that the server limits", () => {
  it("is sent before what waited longer", async () => {
    const post = await openPost();
    const roomId = await post.room();
    const refusal = post.server.fault({
      kind: "limited",
      retryAfterMs: 40_000,
      match: { method: "PUT", path: /\/send\/test\// },
      skip: 3,
      times: 1,
    });
    for (let n = 0; n < 5; n += 1) await post.put({ roomId, content: { n } });
    post.sender.wake();
    await post.server.waitUntil(() => refusal.hits() === 1);
    await post.put({ roomId, lane: "alarm", content: { n: "alarm" } });
    post.sender.wake();
    await post.emptied();
    const numbers = post.numbers(roomId);
    expect(numbers.slice(0, 3)).toEqual([0, 1, 2]);
    expect(numbers.indexOf("alarm")).toBe(3);
    expect(numbers.filter((n) => n !== "alarm")).toEqual([0, 1, 2, 3, 4]);
  });
});
