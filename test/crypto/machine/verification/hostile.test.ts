// What a verification must not take: broken, late, foreign and mixed-up messages. Two machines of ours; what one sends is altered before the other gets it.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Verification } from "#crypto/machine/verification/calls.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { makePair, type Server } from "../support/server.ts";
import type { Ours } from "../support/world.ts";

const REQUEST = "m.key.verification.request";
let server: Server;
let alice: Ours;
let bob: Ours;
beforeEach(() => {
  ({ server, alice, bob } = makePair());
});
afterEach(() => server.settle());

const newest = (of: Ours): Verification => of.in((calls) => calls.verifications()).at(-1) as Verification;
/** What was sent and not delivered. */
let delivered = 0;
beforeEach(() => {
  delivered = server.sent.length;
});
type Alter = (event: JsonObject, to: Ours) => JsonObject | null;
const flow = (alter: Alter = (event) => event): void => {
  for (let round = 0; round < 10; round += 1) {
    server.settle();
    const fresh = server.sent.slice(delivered);
    delivered = server.sent.length;
    if (fresh.length === 0) return;
    for (const { to, event } of fresh) {
      const altered = alter(event, to);
      if (altered !== null) to.in((calls) => calls.receiveToDevice([altered]));
    }
  }
};
const nameOf = (event: JsonObject): string => String(event["type"]).replace("m.key.verification.", "");
const contentOf = (event: JsonObject): JsonObject => event["content"] as JsonObject;
/** Alters the content of one kind of message. */
const only =
  (name: string, change: (content: JsonObject) => JsonObject): Alter =>
  (event) =>
    nameOf(event) === name ? { ...event, content: change(contentOf(event)) } : event;
const inject = (to: Ours, from: Ours, name: string, content: JsonObject): void => {
  const event = { type: `m.key.verification.${name}`, sender: from.config.userId, content };
  to.in((calls) => calls.receiveToDevice([event]));
};
const transaction = (of: Ours): string => of.store.get("verification", "", newest(of).id)?.flowId ?? "";

/** Alice asks, Bob says yes. */
const ready = (alter?: Alter): void => {
  alice.in((calls) => calls.requestVerification("@bob:example.org"));
  flow(alter);
  bob.in((calls) => calls.acceptVerification(newest(bob).id));
  flow(alter);
};
/** Up to the strings. */
const compare = (alter?: Alter): void => {
  ready(alter);
  alice.in((calls) => calls.startSas(newest(alice).id));
  flow(alter);
};
const confirm = (alter?: Alter): void => {
  for (const ours of [alice, bob]) ours.in((calls) => calls.confirmVerification(newest(ours).id));
  flow(alter);
};
const ended = (of: Ours) => {
  const it = newest(of);
  return it.phase === "cancelled" ? it.code : it.phase;
};
const verified = (): string[] => [
  alice.in((calls) => calls.identityStatus("@bob:example.org")),
  bob.in((calls) => calls.identityStatus("@alice:example.org")),
];

describe("a verification that nobody disturbs", () => {
  it("ends with both done, the same strings before", () => {
    compare();
    const [ours, theirs] = [newest(alice), newest(bob)];
    if (ours.phase !== "compare" || theirs.phase !== "compare") throw new Error("no strings");
    expect(ours.emoji).toEqual(theirs.emoji);
    expect(ours.decimals).toEqual(theirs.decimals);
    confirm();
    expect([ended(alice), ended(bob)]).toEqual(["done", "done"]);
  });

  it("is the same with the old MAC method alone", () => {
    compare(only("start", (content) => ({ ...content, message_authentication_codes: ["hkdf-hmac-sha256"] })));
    // The start was altered on its way, so the commitment does not fit: a downgrade does not pass unseen.
    expect(ended(alice)).toBe("m.mismatched_commitment");
  });

  it("is not disturbed by a done that comes twice", () => {
    compare();
    for (const ours of [alice, bob]) ours.in((calls) => calls.confirmVerification(newest(ours).id));
    flow((event, to) => {
      if (nameOf(event) === "done") to.in((calls) => calls.receiveToDevice([event]));
      return event;
    });
    expect([ended(alice), ended(bob)]).toEqual(["done", "done"]);
  });
});

describe("messages that were altered", () => {
  it.each([
    [
      "another commitment",
      "accept",
      (c: JsonObject) => ({ ...c, commitment: "A".repeat(43) }),
      "m.mismatched_commitment",
    ],
    [
      "another key",
      "key",
      (c: JsonObject) => ({ ...c, key: `${"B".repeat(42)}A` }),
      "m.mismatched_commitment",
    ],
    ["a key that is none", "key", (c: JsonObject) => ({ ...c, key: "no key" }), "m.invalid_message"],
    ["the zero key", "key", (c: JsonObject) => ({ ...c, key: "A".repeat(43) }), "m.invalid_message"],
    [
      "a commitment that is none",
      "accept",
      (c: JsonObject) => ({ ...c, commitment: 7 }),
      "m.invalid_message",
    ],
    [
      "a MAC method that was not offered",
      "accept",
      (c: JsonObject) => ({ ...c, message_authentication_code: "none" }),
      "m.unknown_method",
    ],
    ["a hash that was not offered", "accept", (c: JsonObject) => ({ ...c, hash: "md5" }), "m.unknown_method"],
    [
      "no strings",
      "accept",
      (c: JsonObject) => ({ ...c, short_authentication_string: [] }),
      "m.unknown_method",
    ],
    [
      "a start of an unknown method",
      "start",
      (c: JsonObject) => ({ ...c, method: "m.other" }),
      "m.unknown_method",
    ],
    [
      "a start without the key agreement",
      "start",
      (c: JsonObject) => ({ ...c, key_agreement_protocols: ["curve25519"] }),
      "m.unknown_method",
    ],
    [
      "a start from another device",
      "start",
      (c: JsonObject) => ({ ...c, from_device: "OTHER" }),
      "m.unexpected_message",
    ],
  ])("%s: both sides end, and know why", (_, name, change, code) => {
    compare(only(name, change));
    expect([ended(alice), ended(bob)]).toEqual([code, code]);
    expect(verified()).toEqual(["pinned", "pinned"]);
  });

  it.each([
    [
      "a MAC of another text",
      (mac: JsonObject) => Object.fromEntries(Object.keys(mac).map((id) => [id, "A".repeat(43)])),
      "m.key_mismatch",
    ],
    ["no MACs at all", () => ({}), "m.key_mismatch"],
    [
      "MACs of keys that are not known only",
      (mac: JsonObject) => ({ "ed25519:NOBODY": Object.values(mac)[0] }),
      "m.key_mismatch",
    ],
    [
      "MACs that are no text",
      (mac: JsonObject) => Object.fromEntries(Object.keys(mac).map((id) => [id, 1])),
      "m.invalid_message",
    ],
  ])("%s: nothing is verified", (_, change, code) => {
    compare();
    confirm(only("mac", (content) => ({ ...content, mac: change(content["mac"] as JsonObject) })));
    expect([ended(alice), ended(bob)]).toContain(code);
    expect(verified()).toEqual(["pinned", "pinned"]);
  });

  it("the keys of a person in the middle: the strings differ", () => {
    compare(
      // The same X25519 base point for both sides: each sees another key than the other sent.
      (event, to) =>
        nameOf(event) === "key" && to === bob
          ? { ...event, content: { ...contentOf(event), key: `CQ${"A".repeat(41)}` } }
          : event,
    );
    const [ours, theirs] = [newest(alice), newest(bob)];
    if (ours.phase !== "compare" || theirs.phase !== "compare") throw new Error("no strings");
    expect(ours.decimals).not.toEqual(theirs.decimals);
    bob.in((calls) => calls.mismatchVerification(newest(bob).id));
    flow();
    expect([ended(alice), ended(bob)]).toEqual(["m.mismatched_sas", "m.mismatched_sas"]);
  });

  it("are still caught where people say that differing strings match", () => {
    compare((event, to) =>
      nameOf(event) === "key" && to === bob
        ? { ...event, content: { ...contentOf(event), key: `CQ${"A".repeat(41)}` } }
        : event,
    );
    confirm();
    expect(verified()).toEqual(["pinned", "pinned"]);
  });
});

describe("messages out of order", () => {
  it.each(["accept", "key", "mac", "done"])("%s before its time ends it", (name) => {
    ready();
    const key = `${"B".repeat(42)}A`;
    inject(alice, bob, name, { transaction_id: transaction(alice), key, mac: {}, keys: "" });
    expect(ended(alice)).toBe("m.unexpected_message");
  });

  it("a second start of theirs ends it", () => {
    compare();
    const start = { transaction_id: transaction(bob), from_device: "ALICE", method: "m.sas.v1" };
    inject(bob, alice, "start", start);
    expect(ended(bob)).toBe("m.unexpected_message");
  });

  it("a start before it was accepted ends it", () => {
    alice.in((calls) => calls.requestVerification("@bob:example.org"));
    flow();
    inject(bob, alice, "start", {
      transaction_id: transaction(bob),
      from_device: "ALICE",
      method: "m.sas.v1",
    });
    expect(ended(bob)).toBe("m.unexpected_message");
  });

  it("a message that a later specification may add is ignored", () => {
    ready();
    inject(alice, bob, "wave", { transaction_id: transaction(alice) });
    expect(ended(alice)).toBe("ready");
  });

  it("both start at once: the smaller user's start counts on both sides", () => {
    ready();
    for (const ours of [alice, bob]) ours.in((calls) => calls.startSas(newest(ours).id));
    flow();
    expect([ended(alice), ended(bob)]).toEqual(["compare", "compare"]);
    confirm();
    expect([ended(alice), ended(bob)]).toEqual(["done", "done"]);
  });

  it("both ask at once: two verifications, each goes its way", () => {
    for (const [ours, user] of [
      [alice, "@bob:example.org"],
      [bob, "@alice:example.org"],
    ] as const) {
      ours.in((calls) => calls.requestVerification(user));
    }
    flow();
    expect(alice.in((calls) => calls.verifications()).map(({ phase }) => phase)).toEqual([
      "waiting",
      "asked",
    ]);
    expect(bob.in((calls) => calls.verifications()).map(({ phase }) => phase)).toEqual(["waiting", "asked"]);
  });
});

describe("who may", () => {
  it("nobody else ends or goes on with a verification", () => {
    ready();
    const carol = { ...bob, config: { ...bob.config, userId: "@carol:example.org" } };
    inject(alice, carol, "cancel", { transaction_id: transaction(alice), code: "m.user" });
    expect(ended(alice)).toBe("ready");
  });

  it.each([
    ["old", -600_000],
    ["from far in the future", 300_001],
    ["without a time", null],
  ])("a request that is %s is dropped", (_, offset) => {
    const timestamp = offset === null ? undefined : bob.nowMs + offset;
    inject(bob, alice, "request", {
      transaction_id: "t",
      from_device: "ALICE",
      methods: ["m.sas.v1"],
      timestamp,
    });
    expect(bob.in((calls) => calls.verifications())).toEqual([]);
  });

  it("a stranger's request is dropped, and costs nothing", () => {
    const stranger = { ...alice, config: { ...alice.config, userId: "@stranger:example.org" } };
    const content = { transaction_id: "t", from_device: "X", methods: ["m.sas.v1"], timestamp: bob.nowMs };
    inject(bob, stranger, "request", content);
    expect(bob.in((calls) => calls.verifications())).toEqual([]);
    expect(bob.store.get("tracked", "", "@stranger:example.org")).toBeNull();
  });

  it("no more than sixteen are kept at a time", () => {
    for (let i = 0; i < 30; i += 1) {
      const content = {
        transaction_id: `t${i}`,
        from_device: "ALICE",
        methods: ["m.sas.v1"],
        timestamp: bob.nowMs,
      };
      inject(bob, alice, "request", content);
    }
    expect(bob.in((calls) => calls.verifications())).toHaveLength(16);
    expect(() => bob.in((calls) => calls.requestVerification("@alice:example.org"))).toThrow("too many");
  });

  it("hostile names are names like any other", () => {
    for (const name of ["__proto__", "constructor", ""]) {
      inject(bob, alice, "request", {
        transaction_id: name,
        from_device: name,
        methods: [name],
        timestamp: bob.nowMs,
      });
      inject(bob, alice, "start", { transaction_id: name, from_device: name, method: name });
      inject(bob, alice, name, { transaction_id: name });
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it("a request with no method in common is refused when it is accepted", () => {
    alice.in((calls) => calls.requestVerification("@bob:example.org"));
    flow((event) =>
      event["type"] === REQUEST
        ? { ...event, content: { ...contentOf(event), methods: ["m.other"] } }
        : event,
    );
    bob.in((calls) => calls.acceptVerification(newest(bob).id));
    flow();
    expect([ended(alice), ended(bob)]).toEqual(["m.unknown_method", "m.unknown_method"]);
  });

  it("an unknown transaction is answered once, and no answer is answered", () => {
    inject(bob, alice, "ready", { transaction_id: "unknown", from_device: "ALICE" });
    flow();
    const cancels = server.sent.filter(({ event }) => nameOf(event) === "cancel");
    expect(cancels).toHaveLength(1);
    expect(contentOf(cancels[0]?.event ?? {})).toMatchObject({ code: "m.unknown_transaction" });
  });
});

describe("time", () => {
  it("a request that nobody answers ends after ten minutes, on both sides", () => {
    alice.in((calls) => calls.requestVerification("@bob:example.org"));
    flow();
    for (const ours of [alice, bob]) ours.nowMs += 600_000;
    flow();
    expect([ended(alice), ended(bob)]).toEqual(["m.timeout", "m.timeout"]);
  });

  it("what is over is shown for an hour", () => {
    compare();
    confirm();
    alice.nowMs += 3_599_000;
    server.settle();
    expect(alice.in((calls) => calls.verifications())).toHaveLength(1);
    alice.nowMs += 2_000;
    server.settle();
    expect(alice.in((calls) => calls.verifications())).toEqual([]);
  });

  it("a restart in between changes nothing: all of it is in the store", () => {
    compare();
    const shown = newest(bob);
    const again = { ...bob, in: bob.in };
    expect(newest(again)).toEqual(shown);
  });
});

describe("a wrong call", () => {
  it.each([
    "confirmVerification",
    "mismatchVerification",
    "verificationQr",
    "startSas",
    "acceptVerification",
  ] as const)("%s at the wrong time says what it expected", (name) => {
    alice.in((calls) => calls.requestVerification("@bob:example.org"));
    const { id } = newest(alice);
    expect(() => alice.in((calls) => calls[name](id))).toThrow(
      expect.objectContaining({ code: "WRONG_PHASE" }),
    );
  });

  it("of a number that there is not says so", () => {
    expect(() => alice.in((calls) => calls.confirmVerification("99"))).toThrow(
      expect.objectContaining({ code: "UNKNOWN_VERIFICATION" }),
    );
  });
});
