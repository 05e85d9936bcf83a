import { describe, expect, it } from "vitest";
import { Holds, Streaks } from "#agent/delivery/holds.ts";
import { isUnreachable, searchVerdictOf, verdictOf } from "#agent/delivery/verdict.ts";
import { MatrixError, type MatrixErrorKind } from "#agent/matrix/types.ts";

const random = (length: number): Uint8Array => new Uint8Array(length);
const error = (kind: MatrixErrorKind, status?: number, errcode?: string): MatrixError =>
  new MatrixError(kind, "it failed", {
    inDoubt: kind === "network" || kind === "unavailable",
    ...(status === undefined ? {} : { status }),
    ...(errcode === undefined ? {} : { errcode }),
  });

describe("a PUT that failed", () => {
  it.each<[string, MatrixError, object]>([
    ["too large", error("refused", 413, "M_TOO_LARGE"), { kind: "dead" }],
    ["not JSON that an event may hold", error("refused", 400, "M_BAD_JSON"), { kind: "dead" }],
    ["refused here already", error("local"), { kind: "dead" }],
    ["not a member", error("refused", 403, "M_FORBIDDEN"), { kind: "hold", what: "room", inDoubt: false }],
    ["no such room", error("refused", 404, "M_NOT_FOUND"), { kind: "hold", what: "room", inDoubt: false }],
    ["a login page of the network", error("refused", 302), { kind: "hold", what: "all", inDoubt: false }],
    ["a locked account", error("refused", 401, "M_USER_LOCKED"), { kind: "hold", what: "all" }],
    ["a method that a proxy does not like", error("refused", 405), { kind: "hold", what: "all" }],
    ["too often", error("limited", 429), { kind: "hold", what: "all", inDoubt: false }],
    ["a proxy's 502", error("unavailable", 502), { kind: "hold", what: "all", inDoubt: true }],
    [
      "the server's own 500",
      error("unavailable", 500, "M_UNKNOWN"),
      { kind: "hold", what: "room", inDoubt: true },
    ],
    ["no answer", error("network"), { kind: "hold", what: "all", inDoubt: true }],
    ["there already", error("refused", 400, "M_DUPLICATE_ANNOTATION"), { kind: "done" }],
    ["a token that is not valid", error("auth", 401, "M_UNKNOWN_TOKEN"), { kind: "stop" }],
    ["an end", error("aborted"), { kind: "stop" }],
  ])("%s", (_what, cause, verdict) => {
    expect(verdictOf(cause, 1, random)).toMatchObject(verdict);
  });

  it("waits longer each time, for ever if need be", () => {
    const delays = [1, 2, 3, 100].map((attempt) => {
      const verdict = verdictOf(error("unavailable", 500, "M_UNKNOWN"), attempt, random);
      return verdict.kind === "hold" ? verdict.delayMs : null;
    });
    expect(delays).toEqual([500, 1000, 2000, 300_000]);
  });
});

describe("a look for an attempt in doubt that failed", () => {
  it.each([
    error("refused", 403, "M_FORBIDDEN"),
    error("refused", 404, "M_NOT_FOUND"),
    error("refused", 400, "M_BAD_JSON"),
    error("refused", 413, "M_TOO_LARGE"),
    error("refused", 302),
    error("limited", 429),
    error("unavailable", 500, "M_UNKNOWN"),
    error("unavailable", 502),
    error("network"),
    error("local"),
  ])("leaves it in doubt and never sets it aside: $kind $status", (cause) => {
    expect(searchVerdictOf(cause, 1, random)).toMatchObject({ kind: "hold", inDoubt: true });
  });
});

it("the homeserver counts as not reached only where it did not answer itself", () => {
  expect(
    [error("network"), error("unavailable", 502), error("refused", 302)].every((cause) =>
      isUnreachable(cause),
    ),
  ).toBe(true);
  expect(
    [error("unavailable", 500, "M_UNKNOWN"), error("refused", 403), error("limited", 429)].some((cause) =>
      isUnreachable(cause),
    ),
  ).toBe(false);
});

describe("what the sender waits for", () => {
  it("a network that is back does not shorten a rate limit, whichever came first", () => {
    const holds = new Holds();
    holds.limited(60_000);
    holds.away(1000);
    holds.room("!a", 5000);
    holds.reachable();
    expect(holds.allUntil()).toBe(60_000);
    expect(holds.nextRoomAt()).toBeNull();
    holds.away(90_000);
    expect(holds.allUntil()).toBe(90_000);
    holds.reachable();
    expect(holds.allUntil()).toBe(60_000);
  });

  it("forgets a room whose time has come", () => {
    const holds = new Holds();
    holds.room("!a", 5000);
    holds.room("!b", 9000);
    expect([...holds.roomsAt(5000)]).toEqual(["!b"]);
    expect(holds.nextRoomAt()).toBe(9000);
  });

  it("grows with failures in a row, a room's own apart from the rest", () => {
    const streaks = new Streaks();
    expect([streaks.failed("!a", true), streaks.failed("!a", true), streaks.failed("!b", false)]).toEqual([
      1, 2, 1,
    ]);
    streaks.succeeded("!b");
    expect([streaks.failed("!a", true), streaks.failed("!b", false)]).toEqual([3, 1]);
  });
});
