// JSON nested beyond any event, which JSON.parse reads and JSON.stringify throws at: one such event in a sync would end the agent at each start anew.
import { describe, expect, it } from "vitest";
import { objectAt, parseJson } from "#agent/matrix/json.ts";
import { parseSyncAnswer } from "#agent/matrix/sync-answer.ts";
import type { JsonObject } from "#agent/matrix/types.ts";

const nested = (levels: number, [open, close]: readonly [string, string] = ["[", "]"]): string =>
  open.repeat(levels) + close.repeat(levels);

const syncWith = (content: string): string =>
  `{"next_batch":"s1","rooms":{"join":{"!r":{"timeline":{"events":[
    {"type":"m.room.encrypted","event_id":"$1","sender":"@a:b","origin_server_ts":1,"content":{"session_id":"x","odd":${content}}},
    {"type":"m.room.message","event_id":"$2","sender":"@a:b","origin_server_ts":1,"content":{"body":"hi"}}]}}}},
    "to_device":{"events":[{"type":"x","sender":"@a:b","content":{"odd":${content}}}]}}`;

describe("an answer of the server", () => {
  it("is read as it is where an event is nested as deep as any may be", () => {
    const text = syncWith(nested(128));
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  it.each<[string, string]>([
    ["lists", nested(100_000)],
    ["objects", nested(20_000, ['{"a":', "}"]).replace(":}", ":1}")],
    ["objects named __proto__", nested(20_000, ['{"__proto__":', "}"]).replace(":}", ":1}")],
  ])("with %s nested beyond that is cut there, so that every event of it can be stored", (_name, deep) => {
    const batch = parseSyncAnswer(parseJson(syncWith(deep)) as JsonObject);
    const events = batch.joined.get("!r")?.timeline ?? [];
    expect(events.map(({ eventId }) => eventId)).toEqual(["$1", "$2"]);
    expect(events[0]?.content["session_id"]).toBe("x");
    expect(() => JSON.stringify([events, batch.toDevice])).not.toThrow();
  });

  it("keeps a key named __proto__ a key when something else is cut", () => {
    const answer = parseJson(`{"__proto__":{"a":1},"deep":${nested(5_000)}}`) as JsonObject;
    expect(Object.keys(answer)).toEqual(["__proto__", "deep"]);
    expect(objectAt(answer, "__proto__")).toEqual({ a: 1 });
    expect((answer as { a?: unknown }).a).toBeUndefined();
  });
});
