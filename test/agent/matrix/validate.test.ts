// Local refusal: the place is named, and the loopback homeserver is of the same opinion.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pathOf } from "#agent/matrix/call.ts";
import { ENVELOPE_BYTES_MAX, EVENT_BYTES_MAX } from "#agent/matrix/limits.ts";
import { type JsonObject, type JsonValue, MatrixError } from "#agent/matrix/types.ts";
import { checkContent, checkEvent, checkIdentifier, type Draft, eventBytes } from "#agent/matrix/validate.ts";
import { PROFILES, pairInARoom } from "./support.ts";

const refusalOf = (work: () => void): MatrixError | null => {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof MatrixError && error.kind === "local") return error;
    throw error;
  }
};

const contentRefusal = (content: JsonObject): string | undefined =>
  refusalOf(() => checkContent(content))?.message;

const draft = (more: Partial<Draft>): Draft => ({
  roomId: "!room:localhost",
  sender: "@device:localhost",
  type: "m.room.message",
  content: {},
  ...more,
});

// What a caller's types promise is not what a payload brings.
const smuggled = (value: unknown): JsonObject => ({ value: value as JsonValue });

describe("a content is refused, with the place,", () => {
  it.each([
    ["a fraction", { a: [{ b: 1.5 }] }, "content.a[0].b: expected an integer, got 1.5"],
    ["2^53", { n: 2 ** 53 }, "content.n: expected an integer within 2^53-1"],
    ["-2^53", { n: -(2 ** 53) }, "content.n: expected an integer within 2^53-1"],
    ["1e300", { n: 1e300 }, "content.n: expected an integer within 2^53-1"],
    ["half a surrogate pair", { s: "a\ud800b" }, "content.s: expected Unicode text"],
    ["half a surrogate pair in a key", { o: { "\udc00": 1 } }, "content.o.\ufffd: expected Unicode text"],
  ])("for %s", (_name, content, expected) => {
    expect(contentRefusal(content)).toContain(expected);
  });

  it.each([
    ["NaN", Number.NaN],
    ["infinity", Number.POSITIVE_INFINITY],
    ["a bigint", 1n],
    ["a function", () => 1],
  ])("for %s that a type did not stop", (_name, value) => {
    expect(contentRefusal(smuggled(value))).toContain("content.value: expected");
  });

  it("for more than a hundred levels, a circle among them", () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    expect(contentRefusal(smuggled(circle))).toContain("expected at most 100 levels");
  });
});

describe("a content is taken", () => {
  it.each([
    ["whole numbers to the limit", { a: 2 ** 53 - 1, b: -(2 ** 53) + 1, c: -0, d: 1.0 }],
    ["any Unicode text", { s: "é 🛰 \u0000 \uffff", "🛰": null }],
    ["a field that is left out", { a: undefined, b: [true, false, null, "", {}, []] }],
    ["a long key: only the event's own names are bounded", { ["k".repeat(300)]: 1 }],
  ])("for %s", (_name, content) => {
    expect(contentRefusal(content)).toBeUndefined();
  });
});

describe("the event's names", () => {
  it.each(["type", "stateKey", "sender", "roomId"] as const)("may be 255 bytes and no more: %s", (name) => {
    expect(refusalOf(() => checkEvent(draft({ [name]: "ü".repeat(127) })))).toBeNull();
    expect(refusalOf(() => checkEvent(draft({ [name]: "ü".repeat(128) })))?.message).toContain(
      "expected at most 255 bytes, got 256",
    );
  });

  it("hold no half of a surrogate pair", () => {
    expect(refusalOf(() => checkIdentifier("\ud83d", "type"))?.message).toContain(
      "type: expected Unicode text",
    );
  });
});

describe("the size", () => {
  const filled = (bytes: number): Draft => draft({ content: { s: "x".repeat(bytes) } });
  const largest = EVENT_BYTES_MAX - eventBytes(filled(0));

  it("is refused one byte over the limit, with what it would be", () => {
    expect(refusalOf(() => checkEvent(filled(largest)))).toBeNull();
    const refusal = refusalOf(() => checkEvent(filled(largest + 1)));
    expect(refusal?.errcode).toBe("M_TOO_LARGE");
    expect(refusal?.message).toContain(
      `expected an event of at most ${EVENT_BYTES_MAX} bytes, got up to 65537`,
    );
  });

  it("leaves at least 63,000 bytes to the content", () => {
    expect(largest).toBeGreaterThan(63_000);
  });

  it("counts bytes, not characters", () => {
    expect(eventBytes(draft({ content: { s: "🛰" } })) - eventBytes(draft({ content: { s: "" } }))).toBe(4);
  });
});

const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(2 ** 53, -(2 ** 53), 2 ** 53 - 1, 0.1, 1e21, -0),
);
const json: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.string({ unit: "binary", maxLength: 8 }),
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.string({ unit: "binary", maxLength: 6 }), tie("value"), { maxKeys: 3 }),
  ),
})).value;
const filling = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 68_000 }) },
);
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("dev.petrel.test", "ü/ x") },
  { weight: 1, arbitrary: fc.integer({ min: 250, max: 260 }).map((length) => "n".repeat(length)) },
);

describe.each(PROFILES)("the %s loopback server", (profile) => {
  it("takes what passes here, and refuses what does not (but for what the envelope may weigh)", async () => {
    const { rig, roomId } = await pairInARoom({ profile });
    const serverTakes = async (event: Draft, txn: string): Promise<boolean> => {
      try {
        const path = pathOf("/_matrix/client/v3/rooms", roomId, "send", event.type, txn);
        await rig.client.request("PUT", path, { body: event.content });
        return true;
      } catch (error) {
        if (error instanceof MatrixError && error.kind === "refused") return false;
        throw error;
      }
    };
    let serial = 0;
    await fc.assert(
      fc.asyncProperty(json, filling, name, async (value, bytes, type) => {
        serial += 1;
        const event = draft({
          roomId,
          sender: rig.client.userId,
          type,
          content: { value, s: "x".repeat(bytes) },
        });
        const passes = refusalOf(() => checkEvent(event)) === null;
        const taken = await serverTakes(event, `txn${serial}`);
        if (passes) expect(taken).toBe(true);
        const weight = eventBytes(event);
        const isGrey = weight > EVENT_BYTES_MAX && weight <= EVENT_BYTES_MAX + ENVELOPE_BYTES_MAX;
        if (!passes && !isGrey) expect(taken).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});
