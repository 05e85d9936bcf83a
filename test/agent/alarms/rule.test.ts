// What a value means to a rule, and what a rule may say in petrel.yaml.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judge, rulesOf } from "#agent/alarms/rule.ts";
import { type Config, parseConfig } from "#agent/config/config.ts";
import { ConfigError } from "#agent/config/document.ts";

const MINIMAL = `version: 1
device: { name: drone-1 }
homeserver: { server: example.org, user: drone }
rooms: { operators: ["@alice:example.org"] }
channels:
  battery/voltage:
`;

const parse = (lines: string): Promise<Config> =>
  parseConfig("petrel.yaml", MINIMAL + lines.replaceAll(/^/gm, "    "), {});

const complaint = async (lines: string): Promise<string> => {
  const error = await parse(lines).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConfigError)) throw new Error(`expected a ConfigError, got ${String(error)}`);
  return error.message;
};

describe("a condition", () => {
  it("above and below never both raise and clear, and hysteresis lies between", () => {
    const number = fc.double({ noNaN: true });
    fc.assert(
      fc.property(number, number, number, (one, other, value) => {
        const [low, high] = [Math.min(one, other), Math.max(one, other)];
        const above = judge({ kind: "above", threshold: high, clear: low }, value);
        const below = judge({ kind: "below", threshold: low, clear: high }, value);
        if (!Number.isFinite(value)) expect([above, below]).toEqual(["incomparable", "incomparable"]);
        else {
          expect(above === "crossed").toBe(value > high);
          expect(above === "clear").toBe(value <= low);
          expect(below === "crossed").toBe(value < low);
          expect(below === "clear").toBe(value >= high);
        }
      }),
    );
  });

  it("compares only what is of the same kind", () => {
    const above = { kind: "above", threshold: 1, clear: 1 } as const;
    for (const value of ["2", true, new Uint8Array([2]), Number.NaN, Number.POSITIVE_INFINITY])
      expect(judge(above, value)).toBe("incomparable");
    expect(judge({ kind: "equals", threshold: true }, true)).toBe("crossed");
    expect(judge({ kind: "equals", threshold: true }, false)).toBe("clear");
    expect(judge({ kind: "equals", threshold: true }, 1)).toBe("incomparable");
    expect(judge({ kind: "equals", threshold: "open" }, "open")).toBe("crossed");
  });
});

describe("the key alarm of a channel", () => {
  it("is one rule or a list, with the operators mentioned where it names nobody", async () => {
    const one = await parse("alarm: { below: 10.5, clear: 10.8, for: 5s }");
    expect(rulesOf(one.channels, one.rooms.operators)).toMatchObject([
      {
        key: "battery/voltage below 10.5",
        condition: { kind: "below", threshold: 10.5, clear: 10.8 },
        forMs: 5000,
        everyMs: 60_000,
        severity: "warning",
        mention: ["@alice:example.org"],
      },
    ]);
    const two = await parse(
      "priority: alarm\nalarm:\n  - { below: 10.5, severity: info }\n  - { stale_after: 30s, mention: room }",
    );
    expect(rulesOf(two.channels, two.rooms.operators)).toMatchObject([
      { severity: "info", mention: [] },
      { condition: { kind: "stale", afterMs: 30_000 }, mention: "room" },
    ]);
  });

  it.each([
    ["alarm: { below: 10, above: 20 }", 'exactly one of "above"'],
    ["alarm: { severity: critical }", 'exactly one of "above"'],
    ["alarm: { below: 10, clear: 9 }", "a number of at least 10"],
    ["alarm: { above: 10, clear: 11 }", "a number of at most 10"],
    ["alarm: { equals: true, clear: 1 }", 'no "clear"'],
    ["alarm: { stale_after: 5s, for: 5s }", 'no "for"'],
    ["alarm: { below: 10, mention: [alice] }", "a user ID"],
    ["alarm: { belw: 10 }", 'did you mean "below"?'],
    ["alarm: [{ below: 10 }, { below: 10, severity: info }]", "different conditions"],
    ["priority: alarm", 'an "alarm" beside it'],
    ["priority: normal\nalarm: { below: 10 }", 'expected "alarm", or no "priority"'],
  ])("is refused with its place where it cannot be meant: %s", async (yaml, words) => {
    const said = await complaint(yaml);
    expect(said).toContain(words);
    expect(said).toMatch(/^petrel\.yaml:[78]:\d+: channels\.battery\/voltage/);
  });
});
