// The answer of /sync, whatever a server puts into it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isJoinOf, parseRoomEvent, transactionIdOf } from "#agent/matrix/events.ts";
import { parseSyncAnswer } from "#agent/matrix/sync-answer.ts";
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import { failureOf } from "./support.ts";

// fast-check's JsonValue has mutable arrays and objects, which ours may hold.
const anyJson = fc.jsonValue() as fc.Arbitrary<JsonValue>;

const event = (more: JsonObject = {}): JsonObject => ({
  event_id: "$1",
  type: "m.room.message",
  sender: "@a:x",
  origin_server_ts: 5,
  content: { body: "x" },
  ...more,
});

const oneRoom = (room: JsonObject): JsonObject => ({ next_batch: "s1", rooms: { join: { "!r": room } } });

describe("an answer", () => {
  it("without a position is an error", async () => {
    const error = await failureOf(Promise.resolve().then(() => parseSyncAnswer({})));
    expect(error).toMatchObject({ kind: "unavailable" });
  });

  const NOTHING = {
    joined: new Map(),
    invited: new Map(),
    left: new Set(),
    toDevice: [],
    deviceLists: { changed: [], left: [] },
    accountData: [],
  };

  it("with a position alone is empty", () => {
    const answer = parseSyncAnswer({ next_batch: "s1" });
    expect(answer).toMatchObject({
      nextBatch: "s1",
      ...NOTHING,
      oneTimeKeyCounts: null,
      unusedFallbackKeyTypes: null,
    });
  });

  it("may hold null where the specification says a list or an object", () => {
    const answer = parseSyncAnswer({
      next_batch: "s1",
      rooms: { join: null, invite: null, leave: null },
      to_device: null,
      device_lists: { changed: null, left: null },
      account_data: { events: null },
    });
    expect(answer).toMatchObject(NOTHING);
    expect(answer.deviceLists).toEqual({ changed: [], left: [] });
  });

  it("may be anything at all: it is read or refused, never a crash", () => {
    const part = fc.oneof(anyJson, fc.constant(event()));
    const room = fc.record(
      {
        timeline: fc.oneof(
          anyJson,
          fc.record({ events: fc.array(part), limited: anyJson, prev_batch: anyJson }),
        ),
        state: anyJson,
        state_after: anyJson,
      },
      { requiredKeys: [] },
    );
    const body = fc.record({
      next_batch: fc.constant("s1"),
      rooms: fc.oneof(
        anyJson,
        fc.record({ join: fc.dictionary(fc.string(), room), invite: anyJson, leave: anyJson }),
      ),
      to_device: anyJson,
      device_lists: anyJson,
      device_one_time_keys_count: anyJson,
      device_unused_fallback_key_types: anyJson,
      account_data: anyJson,
    });
    fc.assert(
      fc.property(body, (value) => {
        // Built of JSON values alone.
        const answer = parseSyncAnswer(value as JsonObject);
        for (const [roomId, { timeline, state }] of answer.joined)
          for (const found of [...timeline, ...state]) {
            expect(found.roomId).toBe(roomId);
            expect(typeof found.eventId).toBe("string");
          }
      }),
    );
  });

  it("counts an absent algorithm as none, and tells no counts from none left", () => {
    const counts = (value: JsonValue) =>
      parseSyncAnswer({ next_batch: "s", device_one_time_keys_count: value }).oneTimeKeyCounts;
    expect(counts({ signed_curve25519: 50, odd: "x" })).toEqual({ signed_curve25519: 50, odd: 0 });
    expect(counts({})).toEqual({});
    expect(counts(null)).toBeNull();
  });
});

describe("the state of a room", () => {
  it("is what came before the timeline, then the timeline's own", () => {
    const name = (id: string): JsonObject => event({ event_id: id, type: "m.room.name", state_key: "" });
    const body = oneRoom({ state: { events: [name("$a")] }, timeline: { events: [event(), name("$b")] } });
    expect(
      parseSyncAnswer(body)
        .joined.get("!r")
        ?.state.map(({ eventId }) => eventId),
    ).toEqual(["$a", "$b"]);
  });

  it.each(["state_after", "org.matrix.msc4222.state_after"])("is what %s says where it is there", (key) => {
    const name = (id: string): JsonObject => event({ event_id: id, type: "m.room.name", state_key: "" });
    const body = oneRoom({ [key]: { events: [name("$z")] }, timeline: { events: [name("$b")] } });
    expect(
      parseSyncAnswer(body)
        .joined.get("!r")
        ?.state.map(({ eventId }) => eventId),
    ).toEqual(["$z"]);
  });
});

describe("an event", () => {
  it.each(["event_id", "type", "sender", "content"])("without %s is none", (key) => {
    const { [key]: _left, ...rest } = event();
    expect(parseRoomEvent(rest, "!r")).toBeNull();
    expect(parseRoomEvent({ ...rest, [key]: 7 }, "!r")).toBeNull();
  });

  it("keeps what is odd at its default", () => {
    const odd = event({ origin_server_ts: 1.5, unsigned: [], state_key: 7 });
    expect(parseRoomEvent(odd, "!r")).toEqual({
      eventId: "$1",
      roomId: "!r",
      type: "m.room.message",
      sender: "@a:x",
      content: { body: "x" },
      originServerTs: 0,
      unsigned: {},
    });
  });

  it("tells our own transaction, and a join from a change of name", () => {
    const own = parseRoomEvent(event({ unsigned: { transaction_id: "t1" } }), "!r");
    expect(own === null ? null : transactionIdOf(own)).toBe("t1");
    const member = (before: JsonObject) =>
      parseRoomEvent(
        event({
          type: "m.room.member",
          state_key: "@me:x",
          content: { membership: "join" },
          unsigned: before,
        }),
        "!r",
      );
    const [joined, renamed] = [member({}), member({ prev_content: { membership: "join" } })];
    expect(joined !== null && isJoinOf(joined, "@me:x")).toBe(true);
    expect(joined !== null && isJoinOf(joined, "@other:x")).toBe(false);
    expect(renamed !== null && isJoinOf(renamed, "@me:x")).toBe(false);
  });
});
