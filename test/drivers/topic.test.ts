import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileFilter, filterCovers, isTopic, isTopicFilter, topicVariables } from "#drivers/topic.ts";

describe("a topic filter", () => {
  // Examples of MQTT 3.1.1 section 4.7.1.
  it.each([
    ["sport/tennis/player1/#", "sport/tennis/player1", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/ranking", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
    ["sport/#", "sport", true],
    ["sport/tennis/+", "sport/tennis/player1", true],
    ["sport/tennis/+", "sport/tennis/player1/ranking", false],
    ["sport/+", "sport", false],
    ["sport/+", "sport/", true],
    ["+/+", "/finance", true],
    ["/+", "/finance", true],
    ["+", "/finance", false],
    ["#", "$SYS/broker", false],
    ["+/monitor/Clients", "$SYS/monitor/Clients", false],
    ["$SYS/#", "$SYS/broker", true],
    ["a", "A", false],
  ])("%s and %s: %s", (filter, topic, matches) => {
    expect(compileFilter(filter)(topic)).toBe(matches);
  });

  it.each(["sport/tennis#", "sport/tennis/#/ranking", "sport+", "", "a\0b", "#/a"])(
    "refuses %j",
    (filter) => {
      expect(isTopicFilter(filter)).toBe(false);
    },
  );

  it("is no topic when it has wildcards", () => {
    expect(["a/+", "a/#", ""].map(isTopic)).toEqual([false, false, false]);
    expect(isTopic("a/b")).toBe(true);
  });
});

const level = fc.constantFrom("a", "b", "c", "");
const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/"));
const filters = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, tail]) => (tail ? [...levels, "#"] : levels).join("/"));

// A naive twin: the filter as a regular expression.
const asRegExp = (filter: string): RegExp => {
  const body = filter.split("/").map((part) => (part === "+" ? "[^/]*" : part));
  if (body.at(-1) !== "#") return new RegExp(`^${body.join("/")}$`);
  const heads = body.slice(0, -1).join("/");
  return new RegExp(`^${heads}(/.*)?$`);
};

it("matches as its regular expression does", () => {
  fc.assert(
    fc.property(filters, topics, (filter, topic) => {
      expect(compileFilter(filter)(topic)).toBe(asRegExp(filter).test(topic));
    }),
    { numRuns: 2_000 },
  );
});

it("covers another filter only if it matches all that the other matches", () => {
  fc.assert(
    fc.property(filters, filters, topics, (outer, inner, topic) => {
      fc.pre(filterCovers(outer, inner) && compileFilter(inner)(topic));
      expect(compileFilter(outer)(topic)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

it.each([
  ["home/#", "home/+/temperature", true],
  ["home/#", "home", true],
  ["home/+", "home/#", false],
  ["home/+/temperature", "home/kitchen/temperature", true],
  ["#", "$SYS/#", false],
  ["home/kitchen", "home/+", false],
])("%s covers %s: %s", (outer, inner, covers) => {
  expect(filterCovers(outer, inner)).toBe(covers);
});

it("offers its levels to names", () => {
  expect(topicVariables("home/kitchen")).toEqual({
    topic: "home/kitchen",
    "topic[0]": "home",
    "topic[1]": "kitchen",
  });
});
