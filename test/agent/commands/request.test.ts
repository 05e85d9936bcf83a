import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, bindArguments, fill } from "#agent/commands/arguments.ts";
import { authorise, type Facts } from "#agent/commands/authorise.ts";
import { type Listening, parseRequest, splitWords } from "#agent/commands/request.ts";
import type { JsonObject, RoomEvent } from "#agent/matrix/types.ts";

const listening: Listening = { prefix: "!petrel", userId: "@drone:hs", namespace: "dev.petrel", bare: false };

const message = (content: JsonObject, type = "m.room.message"): RoomEvent => ({
  eventId: "$e",
  roomId: "!r",
  type,
  sender: "@alice:hs",
  originServerTs: 0,
  content,
  unsigned: {},
});
const said = (body: string, more: JsonObject = {}): RoomEvent =>
  message({ msgtype: "m.text", body, ...more });

describe("a message", () => {
  it.each([
    ["!petrel relay on", ["relay", "on"]],
    ["!petrel", ["help"]],
    ["  !petrel   Relay  'a b' \"c d\" ", ["relay", "a b", "c d"]],
    ["@drone:hs: relay on", ["relay", "on"]],
    ["drone: relay on", ["relay", "on"]],
  ])("asks for a command: %s", (body, [name, ...words]) => {
    expect(parseRequest(said(body), listening)).toEqual({ name, words, named: {} });
  });

  it("asks for a command by a mention, whatever the display name", () => {
    const mention = { "m.mentions": { user_ids: ["@drone:hs"] } };
    expect(parseRequest(said("Dröhnchen: relay on", mention), listening)).toMatchObject({
      name: "relay",
      words: ["on"],
    });
  });

  it.each(["!petrels relay on", "let us drone on", "!petrel 'open quote", ""])("is talk: %j", (body) => {
    expect(parseRequest(said(body), listening)).toBeNull();
  });

  it("needs no prefix in a room of the device's own", () => {
    expect(parseRequest(said("relay on"), { ...listening, bare: true })).toMatchObject({ name: "relay" });
  });

  it("is no command when it is an edit, a notice, or our own", () => {
    expect(
      parseRequest(
        said("!petrel x", { "m.relates_to": { rel_type: "m.replace", event_id: "$a" } }),
        listening,
      ),
    ).toBeNull();
    expect(parseRequest(message({ msgtype: "m.notice", body: "!petrel x" }), listening)).toBeNull();
    expect(parseRequest({ ...said("!petrel x"), sender: "@drone:hs" }, listening)).toBeNull();
  });

  it("is taken apart without a crash, whatever it holds", () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (body, other) => {
        parseRequest(
          said(body, { "m.mentions": other as JsonObject, "m.relates_to": other as JsonObject }),
          listening,
        );
        parseRequest(
          message({ v: 1, name: body, args: other as JsonObject }, "dev.petrel.command"),
          listening,
        );
        const words = splitWords(body);
        expect(words === null || words.every((word) => typeof word === "string")).toBe(true);
      }),
    );
  });
});

describe("arguments", () => {
  const request = (words: string[], named: Record<string, string> = {}) => ({ name: "set", words, named });

  it("are bound in order or by name", () => {
    const rules = { what: {}, level: { min: 0, max: 10 } };
    expect(bindArguments(request(["pump", "5"]), rules)).toEqual({ what: "pump", level: "5" });
    expect(bindArguments(request([], { level: "5", what: "pump" }), rules)).toEqual({
      what: "pump",
      level: "5",
    });
  });

  it.each([
    [["pump"], "level is missing; usage: set <what> <level>"],
    [["pump", "11"], 'level: expected a number of at least 0, at most 10, got "11"'],
    [["pump", " "], "level: expected a number"],
    [["pump", "1", "2"], "3 words given, 2 expected"],
  ])("are refused with the usage: %j", (words, text) => {
    expect(() => bindArguments(request(words), { what: {}, level: { min: 0, max: 10 } })).toThrow(
      ArgumentError,
    );
    expect(() => bindArguments(request(words), { what: {}, level: { min: 0, max: 10 } })).toThrow(text);
  });

  it("fill templates once: a value that looks like a place is left alone", () => {
    expect(fill("{a} {b} {c}", { a: "{b}", b: "2" })).toBe("{b} 2 {c}");
  });
});

describe("authorisation", () => {
  const facts: Facts = {
    channel: "open",
    nowMs: 100_000,
    sentMs: 90_000,
    validForMs: 60_000,
    provenance: "live",
    clock: "ntp",
    harmless: false,
    senderLevel: 50,
    neededLevel: 50,
  };

  it("allows a fresh command of somebody with the level", () => {
    expect(authorise(facts)).toEqual({ allowed: true });
    expect(authorise({ ...facts, senderLevel: Number.POSITIVE_INFINITY })).toEqual({ allowed: true });
  });

  it.each<[string, Partial<Facts>, string]>([
    ["the level is missing", { senderLevel: 49 }, "level"],
    ["it came in clear into an encrypted room", { channel: "clear" }, "channel"],
    ["its device is not cross-signed", { channel: "unsigned" }, "channel"],
    ["its sender's identity was exchanged", { channel: "changed" }, "channel"],
    ["nobody knows its device", { channel: "unknown" }, "channel"],
    ["it is old", { sentMs: 39_999 }, "stale"],
    ["it is old, out of a gap", { sentMs: 39_999, provenance: "gap" }, "stale"],
    ["it comes from the future", { sentMs: 160_001 }, "stale"],
    ["the clock is unset", { clock: "unset" }, "clock"],
    [
      "the clock is unset and it is history",
      { clock: "unset", harmless: true, provenance: "initial" },
      "clock",
    ],
  ])("refuses when %s", (_what, change, why) => {
    expect(authorise({ ...facts, ...change })).toMatchObject({ allowed: false, why });
  });

  it("lets what only tells pass while the clock is unset", () => {
    expect(authorise({ ...facts, clock: "unset", harmless: true })).toEqual({ allowed: true });
  });
});
