import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createInput, type Input, usableStamp, watchedEdges } from "#drivers/gpio/input.ts";
import { gpioSchema, type InputOptions } from "#drivers/gpio/options.ts";

const inputOptions = (more: Record<string, unknown> = {}): InputOptions => {
  const parsed = gpioSchema.parse({ inputs: [{ name: "door", line: "door", ...more }] });
  const [options] = parsed.inputs;
  if (options === undefined) throw new Error("no input");
  return options;
};

const edges = (input: Input, levels: readonly (0 | 1)[], everyMs = 10) =>
  levels.map((level, index) => input.edge(level, (index + 1) * everyMs));

describe("an input", () => {
  it("reports its first level and each edge at the kernel's time", () => {
    const input = createInput(inputOptions(), 0);
    expect(input.begin(0, 5)).toEqual([{ name: "door", value: false, monoMs: 5 }]);
    expect(input.edge(1, 7.25).readings).toEqual([{ name: "door", value: true, monoMs: 7.25 }]);
  });

  it("knows an edge as lost when two equal ones follow each other", () => {
    const input = createInput(inputOptions(), 0);
    input.begin(0, 0);
    expect(edges(input, [1, 1, 0, 1, 0, 0]).map(({ lost }) => lost)).toEqual([0, 1, 0, 0, 0, 1]);
  });

  it("knows an edge as lost between the first reading of the level and the beginning of the watch", () => {
    const input = createInput(inputOptions(), 0);
    input.begin(1, 0);
    expect(input.edge(1, 1).lost).toBe(1);
  });

  it("proves nothing where only one kind of edge is watched", () => {
    const input = createInput(inputOptions({ edges: "rising" }), 0);
    input.begin(0, 0);
    expect(edges(input, [1, 1, 1]).map(({ lost }) => lost)).toEqual([0, 0, 0]);
  });

  it("counts edges and tells the rate since the last report", () => {
    const count = { scale: 0.5, unit: "mm", rate: { name: "rain/rate", per: "h", unit: "mm/h" } };
    const input = createInput(inputOptions({ name: "rain/total", edges: "falling", count }), 0);
    expect(input.begin(1, 1_000)).toEqual([]);
    edges(input, [0, 0, 0, 0]);
    expect(input.report(11_000)).toEqual([
      { name: "rain/total", value: 2, unit: "mm", monoMs: 11_000 },
      { name: "rain/rate", value: 720, unit: "mm/h", monoMs: 11_000 },
    ]);
    expect(input.report(21_000).map(({ value }) => value)).toEqual([2, 0]);
  });
});

describe("an input that is debounced here", () => {
  it("reports a level once it has lasted, at the time of its edge", () => {
    const input = createInput(inputOptions({ debounce_ms: 20 }), 20);
    input.begin(0, 0);
    expect(input.edge(1, 100)).toEqual({ readings: [], lost: 0, settleAtMs: 120 });
    expect(input.settle(119).settleAtMs).toBe(120);
    expect(input.settle(120).readings).toEqual([{ name: "door", value: true, monoMs: 100 }]);
    expect(input.settle(200).readings).toEqual([]);
  });

  it("says nothing of a bounce that ends where it began", () => {
    const input = createInput(inputOptions({ debounce_ms: 20 }), 20);
    input.begin(0, 0);
    edges(input, [1, 0, 1, 0], 5);
    expect(input.settle(1_000).readings).toEqual([]);
  });

  it("watches both edges even where one is wanted, and reports the wanted one", () => {
    const options = inputOptions({ debounce_ms: 20, edges: "rising" });
    expect(watchedEdges(options, 20)).toBe("both");
    const input = createInput(options, 20);
    input.begin(1, 0);
    input.edge(0, 10);
    expect(input.settle(30).readings).toEqual([]);
    input.edge(1, 50);
    expect(input.settle(70).readings).toHaveLength(1);
  });

  it("reports levels that alternate, whatever bounces", () => {
    const bounce = fc.tuple(fc.constantFrom(0 as const, 1 as const), fc.integer({ min: 1, max: 60 }));
    fc.assert(
      fc.property(fc.array(bounce, { maxLength: 60 }), (bounces) => {
        const input = createInput(inputOptions({ debounce_ms: 20 }), 20);
        input.begin(0, 0);
        let now = 0;
        const values: unknown[] = [];
        for (const [level, gapMs] of bounces) {
          values.push(...input.settle(now + gapMs).readings.map(({ value }) => value));
          now += gapMs;
          input.edge(level, now);
        }
        values.push(...input.settle(now + 20).readings.map(({ value }) => value));
        expect(values).toEqual(values.map((_, index) => index % 2 === 0));
      }),
    );
  });
});

it("does not believe a stamp of another clock", () => {
  expect(usableStamp({ offset: 1, level: 1, stampMs: 1_700_000_000_000 }, 5_000, 60_000)).toBe(5_000);
  expect(usableStamp({ offset: 1, level: 1, stampMs: 4_990 }, 5_000, 60_000)).toBe(4_990);
});
