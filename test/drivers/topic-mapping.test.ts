import { describe, expect, it } from "vitest";
import { compileTopicMapping, type Subscription, subscriptionSchema } from "#drivers/topic-mapping.ts";

const subscription = (more: Record<string, unknown>): Subscription =>
  subscriptionSchema.parse({ filter: "#", ...more });

const map = (
  subscriptions: readonly Subscription[],
  topic: string,
  payload: string | Uint8Array,
  retain = false,
) =>
  compileTopicMapping(subscriptions)(
    { topic, payload: typeof payload === "string" ? Buffer.from(payload) : payload, retain },
    5,
  );

const values = (mapped: ReturnType<typeof map>): unknown =>
  mapped === null || mapped === "retained" ? mapped : mapped.readings.map(({ name, value }) => [name, value]);

describe("without rules", () => {
  it.each([
    ["21.5", 21.5],
    ["+021.50", 21.5],
    ["true", true],
    ["open", "open"],
    ['"open"', "open"],
  ])("reads %s as what it looks like, named after the topic", (payload, value) => {
    expect(values(map([subscription({})], "home/kitchen", payload))).toEqual([["home/kitchen", value]]);
  });

  it("takes every value of a JSON tree", () => {
    expect(
      values(map([subscription({})], "drone", '{"battery":{"voltage":11.1,"cells":[3.7,3.6]}}')),
    ).toEqual([
      ["drone/battery/voltage", 11.1],
      ["drone/battery/cells/0", 3.7],
      ["drone/battery/cells/1", 3.6],
    ]);
  });

  it("takes bytes that are no text as bytes", () => {
    expect(values(map([subscription({})], "raw", Uint8Array.of(0xff, 0xfe)))).toEqual([
      ["raw", Uint8Array.of(0xff, 0xfe)],
    ]);
  });

  it("makes a SenML name of a topic that is none", () => {
    expect(values(map([subscription({ filter: "$SYS/#" })], "$SYS/load 1m", "3"))).toEqual([
      ["SYS/load_1m", 3],
    ]);
  });
});

describe("with rules", () => {
  it("makes names of topic levels and values of JSON paths, with units", () => {
    const rules = [{ name: "{topic[1]}/{topic[2]}", from: "state.value", unit: "Cel", type: "number" }];
    const mapped = map(
      [subscription({ filter: "home/+/+", readings: rules })],
      "home/attic/temperature",
      '{"state":{"value":"21.5"}}',
    );
    expect(mapped).toEqual({
      readings: [{ name: "attic/temperature", value: 21.5, unit: "Cel", monoMs: 5 }],
      problems: [],
    });
  });

  it("gives a message to the first subscription that matches, and to no other", () => {
    const first = subscription({ filter: "home/kitchen", readings: [{ name: "first" }] });
    const second = subscription({ filter: "home/#", readings: [{ name: "second" }] });
    expect(values(map([first, second], "home/kitchen", "1"))).toEqual([["first", 1]]);
    expect(values(map([first, second], "home/attic", "1"))).toEqual([["second", 1]]);
    expect(map([first], "home/attic", "1")).toBeNull();
  });

  it("takes the time that the message tells", () => {
    const mapped = map(
      [subscription({ readings: [{ name: "t", from: "t" }], time: { from: "at", format: "s" } })],
      "x",
      '{"t":1,"at":1700000000.5}',
    );
    expect(mapped).toMatchObject({ readings: [{ sourceMs: 1_700_000_000_500 }] });
  });

  it.each([
    ["json", "{broken"],
    ["text", Uint8Array.of(0xff)],
  ])("calls it malformed when a payload is not %s", (format, payload) => {
    expect(map([subscription({ format })], "x", payload)).toMatchObject({
      readings: [],
      problems: [{ counter: "malformed" }],
    });
  });
});

it("leaves retained messages alone when asked to", () => {
  expect(map([subscription({ retained: "ignore" })], "x", "1", true)).toBe("retained");
  expect(values(map([subscription({})], "x", "1", true))).toEqual([["x", 1]]);
});
