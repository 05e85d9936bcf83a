// Which devices are asked for, and when: marks, races, gaps, batches, servers that fail.
import { describe, expect, it } from "vitest";
import { type JsonObject, objectMember } from "#crypto/shape.ts";
import { makeDevice, makePerson, queryAnswer } from "./support/people.ts";
import { makeOurs, type Ours } from "./support/world.ts";

const ALICE = "@alice:example.org";
const SECOND_MS = 1000;

const usersOf = (body: JsonObject | null): string[] =>
  Object.keys(objectMember(body ?? {}, "device_keys", "query"));
const asked = (ours: Ours): string[] => ours.requests("keys-query").flatMap(({ body }) => usersOf(body));
const empty = (body: JsonObject | null): JsonObject => ({
  device_keys: Object.fromEntries(usersOf(body).map((user) => [user, {}])),
});
const settle = (ours: Ours): number => ours.answerAll("keys-query", ({ body }) => empty(body));
const track = (ours: Ours, ...users: string[]): void => ours.in((calls) => calls.trackUsers(users));
const lists = (ours: Ours, changed: unknown, left: unknown = []): void =>
  ours.in((calls) => calls.receiveDeviceLists({ changed, left }));
/** With nothing to ask for. */
const calm = (): Ours => {
  const ours = makeOurs();
  settle(ours);
  return ours;
};

describe("tracking", () => {
  it("asks for ourselves first, and for each user once", () => {
    const ours = makeOurs();
    expect(asked(ours)).toEqual([ours.config.userId]);
    track(ours, ALICE);
    expect(asked(ours)).toEqual([ours.config.userId, ALICE]);
    settle(ours);
    track(ours, ALICE);
    expect(asked(ours)).toEqual([]);
  });

  it("asks again for who changed, not for strangers, and not for who left", () => {
    const ours = calm();
    track(ours, ALICE, "@bob:example.org");
    settle(ours);
    lists(ours, [ALICE, "@bob:example.org", "@stranger:example.org", 5, null], ["@bob:example.org"]);
    expect(asked(ours)).toEqual([ALICE]);
    settle(ours);
    lists(ours, ["@bob:example.org"]);
    expect(asked(ours)).toEqual([]);
  });

  it("never stops following our own devices", () => {
    const ours = calm();
    lists(ours, [], [ours.config.userId]);
    lists(ours, [ours.config.userId]);
    expect(asked(ours)).toEqual([ours.config.userId]);
  });

  it.each([null, undefined, "x", {}])("takes %s for a list without users", (nothing) => {
    const ours = calm();
    lists(ours, nothing, nothing);
    expect(asked(ours)).toEqual([]);
  });

  it("keeps a mark that was set while a query was under way", () => {
    const ours = calm();
    track(ours, ALICE);
    const [late] = ours.requests("keys-query");
    lists(ours, [ALICE]);
    expect(asked(ours)).toEqual([ALICE]);
    ours.in((calls) => calls.answer(late?.id ?? "", { ok: true, body: empty(late?.body ?? null) }));
    const [next] = ours.requests("keys-query");
    expect(usersOf(next?.body ?? null)).toEqual([ALICE]);
    expect(next?.id).not.toBe(late?.id);
  });

  it("keeps marks and queries through a restart", () => {
    const ours = calm();
    track(ours, ALICE);
    const before = ours.requests("keys-query");
    expect(makeOurs({}, ours.store).requests("keys-query")).toEqual(before);
  });

  it("asks for 250 users at a time", () => {
    const ours = calm();
    track(ours, ...Array.from({ length: 501 }, (_, i) => `@u${i}:example.org`));
    expect(ours.requests("keys-query").map(({ body }) => usersOf(body).length)).toEqual([250, 250, 1]);
  });

  it("takes users named like members of every object", () => {
    const ours = calm();
    track(ours, "__proto__", "constructor");
    expect(asked(ours).sort()).toEqual(["__proto__", "constructor"]);
    settle(ours);
    expect(asked(ours)).toEqual([]);
    expect(ours.in((calls) => calls.devices("constructor"))).toEqual([]);
  });
});

describe("after a gap between syncs", () => {
  it("/keys/changes says who changed", () => {
    const ours = calm();
    track(ours, ALICE, "@bob:example.org");
    settle(ours);
    ours.in((calls) => calls.deviceListGap("s1 &", "s2"));
    expect(ours.requests("keys-changes")).toMatchObject([
      { method: "GET", path: "/_matrix/client/v3/keys/changes?from=s1%20%26&to=s2", body: null },
    ]);
    ours.answerAll("keys-changes", () => ({ changed: [ALICE], left: null }));
    expect(asked(ours)).toEqual([ALICE]);
  });

  it.each([
    ["a refusal", { ok: false, status: 400, body: null }],
    ["an answer that cannot be read", { ok: true, body: "?" }],
  ] as const)("%s means asking for everybody", (_name, answer) => {
    const ours = calm();
    ours.in((calls) => calls.deviceListGap("s1", "s2"));
    const [request] = ours.requests("keys-changes");
    ours.in((calls) => calls.answer(request?.id ?? "", answer));
    expect(ours.requests("keys-changes")).toEqual([]);
    expect(asked(ours)).toEqual([ours.config.userId]);
  });

  it("an unknown position means asking for everybody, without a call", () => {
    const ours = calm();
    ours.in((calls) => calls.deviceListGap(null, "s2"));
    expect(ours.requests("keys-changes")).toEqual([]);
    expect(asked(ours)).toEqual([ours.config.userId]);
  });

  it.each([null, 401, 429, 502])("status %s leaves the call to be made again", (status) => {
    const ours = calm();
    ours.in((calls) => calls.deviceListGap("s1", "s2"));
    const [request] = ours.requests("keys-changes");
    ours.in((calls) => calls.answer(request?.id ?? "", { ok: false, status, body: null }));
    expect(ours.requests("keys-changes")).toEqual([request]);
  });
});

describe("servers that do not answer", () => {
  const FAILURE = { "far.example": { status: 503 } };

  it("are asked again after 15 s, 30 s, ... 15 min; others meanwhile", () => {
    const ours = calm();
    track(ours, "@carol:far.example");
    const waits: number[] = [];
    for (let i = 0; i < 9; i += 1) {
      ours.answerAll("keys-query", () => ({ device_keys: {}, failures: FAILURE }));
      const before = ours.nowMs;
      while (asked(ours).length === 0) ours.nowMs += 5 * SECOND_MS;
      waits.push((ours.nowMs - before) / SECOND_MS);
    }
    expect(waits).toEqual([15, 30, 60, 120, 240, 480, 900, 900, 900]);
    ours.answerAll("keys-query", () => ({ device_keys: {}, failures: FAILURE }));
    track(ours, ALICE);
    expect(asked(ours)).toEqual([ALICE]);
  });

  it("keep the devices that were known of their users", () => {
    const ours = calm();
    const carol = makePerson("@carol:far.example");
    makeDevice(carol, "PHONE");
    track(ours, carol.userId);
    ours.answerAll("keys-query", () => queryAnswer(carol));
    lists(ours, [carol.userId]);
    ours.answerAll("keys-query", () => ({ device_keys: { [carol.userId]: {} }, failures: FAILURE }));
    expect(ours.in((calls) => calls.devices(carol.userId))).toHaveLength(1);
  });

  it("do not hold a wait beyond a clock that was put back", () => {
    const ours = calm();
    track(ours, "@carol:far.example");
    ours.answerAll("keys-query", () => ({ device_keys: {}, failures: FAILURE }));
    ours.nowMs -= 24 * 3600 * SECOND_MS;
    expect(asked(ours)).toEqual(["@carol:far.example"]);
  });

  it("include ours, where the answer cannot be read", () => {
    const ours = calm();
    track(ours, ALICE);
    ours.answerAll("keys-query", () => ["?"]);
    expect(ours.notices).toEqual([{ kind: "answer-unreadable", request: "keys-query" }]);
    expect(asked(ours)).toEqual([]);
    ours.nowMs += 15 * SECOND_MS;
    expect(asked(ours)).toEqual([ALICE]);
  });

  it("are named in a failure of another server without effect on the users asked for", () => {
    const ours = calm();
    track(ours, ALICE);
    ours.answerAll("keys-query", ({ body }) => ({ ...empty(body), failures: FAILURE }));
    expect(asked(ours)).toEqual([]);
    expect(ours.store.list("backoff", "query-server")).toEqual([]);
  });
});
