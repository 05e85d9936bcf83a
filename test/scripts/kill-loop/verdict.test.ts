// The judgement of a kill loop: what it must not overlook.
import { describe, expect, it } from "vitest";
import { planRounds } from "#scripts/kill-loop/plan.ts";
import { type FoundEvent, judge } from "#scripts/kill-loop/verdict.ts";

let made = 0;

/** An event of one stream: [seq, number] each. */
const event = (stream: string, ...readings: readonly (readonly [number, number])[]): FoundEvent => {
  made += 1;
  return {
    eventId: `$${made}`,
    lost: 0,
    readings: readings.map(([seq, number]) => ({ stream, seq, number })),
  };
};

const problemsOf = (events: readonly FoundEvent[], acknowledged: readonly number[], published = 4): string =>
  judge(events, acknowledged, published).problems.join("; ");

describe("the verdict of a kill loop", () => {
  it("holds when every acknowledged number is there once, in order", () => {
    expect(problemsOf([event("a", [0, 0], [1, 1]), event("b", [0, 2], [1, 3])], [0, 1, 2, 3])).toBe("");
  });

  it("drops what a reader drops, and counts it", () => {
    const twice = [event("a", [0, 0], [1, 1]), event("a", [0, 0], [1, 1]), event("a", [2, 2])];
    const { duplicateEvents, problems, rawDuplicates } = judge(twice, [0, 1, 2], 3);
    expect(problems).toEqual([]);
    expect({ duplicateEvents, rawDuplicates }).toEqual({ duplicateEvents: 1, rawDuplicates: 2 });
  });

  it("sees a number that is missing", () => {
    expect(problemsOf([event("a", [0, 0], [1, 2])], [0, 1, 2])).toContain("not in the room, 1: 1");
  });

  it("lets a number be missing that was never acknowledged", () => {
    expect(problemsOf([event("a", [0, 0], [1, 2])], [0, 2])).toBe("");
  });

  it("sees a value under two numbers of a stream", () => {
    expect(problemsOf([event("a", [0, 0], [1, 0])], [0])).toContain("two numbers of a stream, 1: 0");
  });

  it("sees a number of a stream that stands for two values", () => {
    expect(problemsOf([event("a", [0, 0]), event("a", [0, 1])], [0])).toContain("is 0 first and 1 later");
  });

  it("sees values out of order, numbers out of order, and a gap", () => {
    expect(problemsOf([event("a", [0, 1], [1, 0])], [0, 1])).toContain("not in the order of publishing");
    expect(problemsOf([event("a", [1, 1]), event("a", [0, 0])], [0, 1])).toContain("order of its numbers");
    expect(problemsOf([event("a", [0, 0], [2, 1])], [0, 1])).toContain("gaps before 1: 2");
  });

  it("sees what nobody published, and losses that the device reports itself", () => {
    expect(problemsOf([event("a", [0, 7])], [])).toContain("never published, 1: 7");
    expect(problemsOf([{ ...event("a", [0, 0]), lost: 3 }], [0])).toContain("reports 3 readings lost");
  });
});

describe("the plan of a kill loop", () => {
  it("is the same for the same seed, another for another, and has each kind of moment", () => {
    const plan = planRounds(1, 200);
    expect(planRounds(1, 200)).toEqual(plan);
    expect(planRounds(2, 200)).not.toEqual(plan);
    expect(new Set(plan.map(({ moment }) => moment.kind))).toEqual(new Set(["start", "puback", "put"]));
  });
});
