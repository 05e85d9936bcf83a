// The states of one alarm, against time and values.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AlarmRule, judge } from "#agent/alarms/rule.ts";
import { type AlarmState, afterBoot, NEVER, type News, onReading, type Sample } from "#agent/alarms/state.ts";

const rule = (more: Partial<AlarmRule> = {}): AlarmRule => ({
  key: "n above 10",
  name: "n",
  label: "n",
  unit: undefined,
  condition: { kind: "above", threshold: 10, clear: 8 },
  forMs: 0,
  everyMs: 0,
  severity: "warning",
  text: undefined,
  mention: [],
  ...more,
});

const sample = (value: number, monoMs: number): Sample => ({
  value,
  unit: null,
  timeMs: 1e12 + monoMs,
  monoMs,
  clock: "ntp",
  stream: "s",
  seq: monoMs,
});

interface Run {
  readonly news: News[];
  readonly state: AlarmState;
}

/** One reading a second, unless it says when. */
const run = (of: AlarmRule, values: readonly number[], boot = "b", from: AlarmState = NEVER): Run => {
  const news: News[] = [];
  let state = from;
  for (const [index, value] of values.entries()) {
    const at = sample(value, index * 1000);
    const step = onReading(state, of, judge(of.condition, value), at, boot, () => `id${news.length}`);
    if (step.news !== null) news.push(step.news);
    state = step.state;
  }
  return { news, state };
};

const told = ({ news }: Run): string[] =>
  news.map((item) =>
    item.kind === "raised"
      ? `raised by ${item.raised.sample.value}`
      : `cleared by ${item.sample.value} after ${item.raised.sample.value}`,
  );

describe("an alarm", () => {
  it("is raised once above the threshold and cleared at the other end of the hysteresis", () => {
    expect(told(run(rule(), [9, 10, 10.1, 11, 9, 10.5, 8, 9, 7]))).toEqual([
      "raised by 10.1",
      "cleared by 8 after 10.1",
    ]);
  });

  it("must hold for its time without a break", () => {
    const held = rule({ forMs: 3000 });
    expect(told(run(held, [11, 11, 11, 9, 11, 11, 11]))).toEqual([]);
    const raised = run(held, [9, 11, 12, 13, 14]);
    expect(told(raised)).toEqual(["raised by 14"]);
    expect(raised.news[0]).toMatchObject({ raised: { sinceMs: 1e12 + 1000, sample: { seq: 4000 } } });
  });

  it("that flaps is told once per interval, and how often it came and went meanwhile", () => {
    const rare = rule({ everyMs: 10_000, condition: { kind: "above", threshold: 10, clear: 10 } });
    const flapping = Array.from({ length: 16 }, (_, index) => (index % 2 === 0 ? 11 : 9));
    const { news } = run(rare, flapping);
    expect(news.map(({ kind }) => kind)).toEqual(["raised", "cleared", "raised", "cleared"]);
    expect(news[2]).toMatchObject({ raised: { suppressed: 4 } });
  });

  it("that still holds when its interval is over is told then", () => {
    const rare = rule({ everyMs: 5000 });
    expect(told(run(rare, [11, 7, 11, 11, 11, 11]))).toEqual([
      "raised by 11",
      "cleared by 7 after 11",
      "raised by 11",
    ]);
  });

  it("forgets the interval and begins to hold anew in another boot", () => {
    const held = rule({ forMs: 3000, everyMs: 60_000 });
    const { state } = run(held, [11, 11]);
    expect(afterBoot(state, { boot: "b", monoMs: 9 })).toBe(state);
    const after = afterBoot(state, { boot: "c", monoMs: 0 });
    expect(told(run(held, [11, 11, 11, 11], "c", after))).toEqual(["raised by 11"]);
  });

  it("is raised and cleared by turns, and twice within its interval never, whatever is read", () => {
    const values = fc.array(fc.integer({ min: 6, max: 13 }), { maxLength: 60 });
    const ms = fc.integer({ min: 0, max: 9 }).map((seconds) => seconds * 1000);
    fc.assert(
      fc.property(values, ms, ms, (series, forMs, everyMs) => {
        const { news } = run(rule({ forMs, everyMs }), series);
        for (const [index, { kind }] of news.entries())
          expect(kind).toBe(index % 2 === 0 ? "raised" : "cleared");
        const raised = news.filter(({ kind }) => kind === "raised").map((item) => item.raised.sample.monoMs);
        for (const [index, at] of raised.slice(1).entries())
          expect(at - (raised[index] ?? 0)).toBeGreaterThanOrEqual(everyMs);
      }),
    );
  });
});
