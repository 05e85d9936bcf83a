// Requests that the server refuses for good: each ends, names what it was about, and costs nobody else.
import { describe, expect, it } from "vitest";
import { isFinal } from "#crypto/machine/refusals.ts";
import type { Request } from "#crypto/machine/requests.ts";
import { makeRoom, share, shareAll } from "./support/room.ts";
import { makeServer } from "./support/server.ts";
import { makeOurs, type Ours } from "./support/world.ts";

const REFUSED = { ok: false, status: 400, body: { errcode: "M_INVALID_PARAM" } } as const;
const TOO_LARGE = { ok: false, status: 413, body: null } as const;
const MINUTE_MS = 60_000;

const refuse = (ours: Ours, request: Request, answer: typeof REFUSED | typeof TOO_LARGE = REFUSED): void =>
  ours.in((calls) => calls.answer(request.id, answer));
const askedUsers = (request: Request): string[] =>
  Object.keys((request.body?.["device_keys"] ?? {}) as object);

describe("an answer", () => {
  it.each<[number | null, unknown, boolean]>([
    [null, null, false],
    [500, { errcode: "M_UNKNOWN" }, false],
    [502, "<html>", false],
    [401, { errcode: "M_UNKNOWN_TOKEN" }, false],
    [429, { errcode: "M_LIMIT_EXCEEDED" }, false],
    [403, { errcode: "M_USER_SUSPENDED" }, false],
    [403, { errcode: "M_FORBIDDEN", soft_logout: true }, false],
    [403, "<html>captive portal</html>", false],
    [404, "not found", false],
    [404, { errcode: "M_UNRECOGNIZED" }, true],
    [403, { errcode: "M_FORBIDDEN" }, true],
    [400, {}, true],
    [400, { errcode: "M_BAD_JSON" }, true],
    [413, null, true],
    [200, {}, false],
  ])("with status %s and %o is final: %s", (status, body, final) => {
    expect(isFinal({ ok: false, status, body })).toBe(final);
  });
});

describe("a query that is refused", () => {
  it("leaves its users alone for a while, then asks in smaller groups, until one alone is left out", () => {
    const ours = makeOurs();
    ours.answerAll("keys-query", () => ({ device_keys: {} }));
    const users = Array.from({ length: 20 }, (_, i) => `@user${i}:example.org`);
    ours.in((calls) => calls.trackUsers(users));
    const sizes: number[][] = [];
    for (let round = 0; round < 5; round += 1) {
      const requests = ours.requests("keys-query");
      sizes.push(requests.map((request) => askedUsers(request).length));
      for (const request of requests) {
        if (askedUsers(request).includes("@user7:example.org")) refuse(ours, request);
        else ours.in((calls) => calls.answer(request.id, { ok: true, body: { device_keys: {} } }));
      }
      expect(ours.requests("keys-query")).toEqual([]);
      ours.nowMs += 15 * MINUTE_MS;
    }
    expect(sizes[0]).toEqual([20]);
    expect(sizes[1]).toEqual([16, 4]);
    expect(sizes[2]).toEqual([1, 1, 1, 1]);
    expect(sizes[3]).toEqual([1]);
    expect(ours.notices[0]).toMatchObject({
      kind: "request-refused",
      request: "keys-query",
      status: 400,
      code: "M_INVALID_PARAM",
      usersCount: 20,
    });
  });
});

describe("a claim that is refused", () => {
  it("leaves its devices alone for a while, and does not hold up the room", () => {
    const { server, alice } = makeRoom();
    share(alice);
    const [claim] = alice.requests("keys-claim");
    if (claim === undefined) throw new Error("no claim");
    refuse(alice, claim);
    expect(alice.requests("keys-claim")).toEqual([]);
    expect(alice.notices).toMatchObject([{ kind: "request-refused", users: ["@bob:example.org"] }]);
    expect(share(alice)).toMatchObject({ queries: 0, claims: 0 });
    server.settle();
    alice.nowMs += MINUTE_MS;
    expect(share(alice).claims).toBe(1);
  });
});

describe("to-device messages that are refused", () => {
  const prepared = () => {
    const server = makeServer();
    const alice = server.join(makeOurs({ userId: "@alice:example.org", deviceId: "ALICE" }));
    const others = ["B", "C", "D", "E"].map((name) =>
      server.join(makeOurs({ userId: `@${name}:example.org`, deviceId: name })),
    );
    const members = server.machines.map(({ config }) => config.userId);
    alice.in((calls) =>
      calls.receiveRoomEncryption("!room:example.org", { algorithm: "m.megolm.v1.aes-sha2" }),
    );
    alice.in((calls) => calls.trackUsers(members));
    server.settle();
    return { server, alice, others, members };
  };

  it.each([REFUSED, TOO_LARGE])("are halved until the one is found, which is dropped and named", (answer) => {
    const { server, alice, others, members } = prepared();
    share(alice, { members });
    alice.answerAll("keys-claim", (request) => server.handle(alice, request));
    share(alice, { members });
    for (let round = 0; round < 5; round += 1) {
      for (const request of alice.requests("to-device")) {
        if (JSON.stringify(request.body).includes("@D:example.org")) refuse(alice, request, answer);
        else alice.in((calls) => calls.answer(request.id, { ok: true, body: server.handle(alice, request) }));
      }
    }
    expect(alice.requests("to-device")).toEqual([]);
    expect(alice.notices).toEqual([
      {
        kind: "message-dropped",
        type: "m.room.encrypted",
        userId: "@D:example.org",
        deviceId: "D",
        status: answer.status,
        code: answer.body?.errcode ?? "",
      },
    ]);
    expect(share(alice, { members })).toMatchObject({ queries: 0, claims: 0, messages: 0 });
    const keys = server.deliver().filter(({ kind }) => kind === "room-key");
    expect(keys).toHaveLength(others.length - 1);
  });

  it("keep the room's encryption waiting while their halves are under way", () => {
    const { server, alice, members } = prepared();
    share(alice, { members });
    alice.answerAll("keys-claim", (request) => server.handle(alice, request));
    share(alice, { members });
    const [whole] = alice.requests("to-device");
    if (whole === undefined) throw new Error("nothing to send");
    refuse(alice, whole, TOO_LARGE);
    expect(share(alice, { members }).messages).toBe(2);
    expect(new Set(alice.requests("to-device").map(({ id }) => id)).has(whole.id)).toBe(false);
  });
});

describe("an upload that is refused", () => {
  it("for another reason than its keys comes again an hour later, with the same keys", () => {
    const ours = makeOurs();
    const [first] = ours.requests("keys-upload");
    if (first === undefined) throw new Error("no upload");
    ours.in((calls) => calls.answer(first.id, { ...TOO_LARGE, body: { errcode: "M_TOO_LARGE" } }));
    expect(ours.requests("keys-upload")).toEqual([]);
    expect(ours.notices).toMatchObject([{ kind: "keys-upload-refused", error: "413 M_TOO_LARGE" }]);
    ours.nowMs += 60 * MINUTE_MS;
    expect(ours.requests("keys-upload")[0]?.body).toEqual(first.body);
  });
});

describe("a member whose server does not answer", () => {
  it("does not hold up the others: they are shared with, and asked for again later", () => {
    const { server, alice } = makeRoom();
    const members = ["@alice:example.org", "@bob:example.org", "@far:away.example"];
    alice.in((calls) => calls.trackUsers(members));
    expect(share(alice, { members }).queries).toBe(1);
    alice.answerAll("keys-query", () => ({ device_keys: {}, failures: { "away.example": {} } }));
    expect(share(alice, { members }).queries).toBe(0);
    shareAll(server, alice, { members });
    alice.nowMs += MINUTE_MS;
    expect(share(alice, { members }).queries).toBe(1);
  });
});
