// Refusals to give a key: which are sent, what is made of those that come. They come in clear, from anybody.
import { describe, expect, it } from "vitest";
import { causeCode } from "#crypto/machine/rooms/outcome.ts";
import type { JsonObject } from "#crypto/shape.ts";
import {
  addDevice,
  decrypt,
  encrypt,
  HOUR_MS,
  makeRoom,
  ROOM,
  shareAll,
  withheldOf,
} from "./support/room.ts";
import { makeServer, send } from "./support/server.ts";
import { makeOurs, type Ours } from "./support/world.ts";

const ALICE = "@alice:example.org";
const BOB = "@bob:example.org";
const withheld = (content: JsonObject, sender = ALICE): JsonObject => ({
  type: "m.room_key.withheld",
  sender,
  content: { algorithm: "m.megolm.v1.aes-sha2", ...content },
});
const receive = (ours: Ours, event: JsonObject): void =>
  void ours.in((calls) => calls.receiveToDevice([event]));
const curveOf = (ours: Ours): string => ours.in((calls) => calls.setUp()).curve25519;

describe("a blocked device", () => {
  it("gets no key by any strategy, is told so, and loses what it had", () => {
    const server = makeServer();
    const blockedDevices = new Map([[BOB, new Set(["BOB"])]]);
    const [alice, bob, careful] = [
      server.join(makeOurs({ userId: ALICE, deviceId: "ALICE" })),
      server.join(makeOurs({ userId: BOB, deviceId: "BOB" })),
      server.join(makeOurs({ userId: "@carol:example.org", deviceId: "CAROL", blockedDevices })),
    ];
    void alice;
    careful.in((calls) => {
      calls.trackUsers([BOB]);
      calls.receiveRoomEncryption(ROOM, { algorithm: "m.megolm.v1.aes-sha2" });
    });
    bob.in((calls) => calls.receiveRoomEncryption(ROOM, { algorithm: "m.megolm.v1.aes-sha2" }));
    server.settle();
    for (const strategy of ["cross-signed", "all", "all-unchecked"] as const)
      shareAll(server, careful, { members: [BOB], strategy });
    expect(withheldOf(server)).toEqual(["m.blacklisted"]);
    server.deliver();
    expect(causeCode(decrypt(bob, encrypt(careful)))).toBe("withheld.m.blacklisted");
  });

  it("that had the key before does not get the next one", () => {
    const pair = makeRoom();
    const before = shareAll(pair.server, pair.alice);
    // The configuration changed: the same store under a machine that blocks.
    const blockedDevices = new Map([[BOB, new Set(["BOB"])]]);
    const blocking = makeOurs({ ...pair.alice.config, blockedDevices }, pair.alice.store);
    pair.server.machines.splice(pair.server.machines.indexOf(pair.alice), 1, blocking);
    expect(shareAll(pair.server, blocking)).not.toBe(before);
    expect(withheldOf(pair.server)).toEqual(["m.blacklisted"]);
  });
});

describe("a refusal that comes", () => {
  const given = () => {
    const pair = makeRoom();
    shareAll(pair.server, pair.alice, { members: [ALICE] });
    const event = encrypt(pair.alice);
    const sessionId = String((event["content"] as JsonObject)["session_id"]); // what `encrypt` made
    return { ...pair, event, sessionId };
  };

  it.each(["m.blacklisted", "m.unverified", "m.unauthorised", "m.unavailable", "m.history_not_shared"])(
    "with %s explains what cannot be read",
    (code) => {
      const { bob, event, sessionId } = given();
      receive(bob, withheld({ room_id: ROOM, session_id: sessionId, code, reason: "so" }));
      expect(decrypt(bob, event)).toMatchObject({
        kind: "undecryptable",
        cause: "withheld",
        code,
        reason: "so",
      });
      expect(causeCode(decrypt(bob, event))).toBe(`withheld.${code}`);
    },
  );

  it("with somebody's own text is counted under one name", () => {
    const { bob, event, sessionId } = given();
    receive(bob, withheld({ room_id: ROOM, session_id: sessionId, code: "x".repeat(5_000) }));
    expect(causeCode(decrypt(bob, event))).toBe("withheld.other");
  });

  it("of somebody who was asked does not take the place of what the maker says", () => {
    const { bob, event, sessionId } = given();
    const session = { room_id: ROOM, session_id: sessionId };
    receive(bob, withheld({ ...session, code: "m.unverified" }));
    for (const code of ["m.unavailable", "m.unauthorised"]) receive(bob, withheld({ ...session, code }, BOB));
    expect(decrypt(bob, event)).toMatchObject({ code: "m.unverified" });
  });

  it("is over when the key comes after all (mautrix, 2026-08)", () => {
    const { alice, bob, event, server, sessionId } = given();
    receive(bob, withheld({ room_id: ROOM, session_id: sessionId, code: "m.unverified" }));
    shareAll(server, alice);
    server.deliver();
    expect(bob.store.list("withheld", ROOM)).toEqual([]);
    expect(decrypt(bob, event)).toMatchObject({ cause: "unknown-index" });
    expect(decrypt(bob, encrypt(alice))).toMatchObject({ kind: "decrypted" });
    receive(bob, withheld({ room_id: ROOM, session_id: sessionId, code: "m.unverified" }));
    expect(bob.store.list("withheld", ROOM)).toEqual([]);
  });

  it.each([
    ["of a room that nobody knows", { room_id: "!other:example.org", session_id: "s", code: "m.unverified" }],
    ["without a code", { room_id: ROOM, session_id: "s" }],
    ["without a session", { room_id: ROOM, code: "m.unverified" }],
  ])("%s is nothing", (_name, content) => {
    const { bob } = given();
    receive(bob, withheld(content));
    expect([ROOM, "!other:example.org"].flatMap((room) => bob.store.list("withheld", room))).toEqual([]);
  });

  it("fills no store", () => {
    const { bob } = given();
    for (let i = 0; i < 1_100; i += 1)
      receive(bob, withheld({ room_id: ROOM, session_id: `s${i}`, code: "m.unverified" }));
    expect(bob.store.list("withheld", ROOM)).toHaveLength(1_000);
  });
});

describe("m.no_olm", () => {
  const given = () => {
    const pair = makeRoom();
    // They talk, in a session that Alice then loses.
    receive(pair.bob, send(pair.server, pair.alice, pair.bob, "dev.petrel.test", {}));
    shareAll(pair.server, pair.alice, { members: [ALICE] });
    const noOlm = withheld({ sender_key: curveOf(pair.alice), code: "m.no_olm", reason: "no way" });
    const claims = (): number => {
      pair.server.settle();
      return pair.server.sent.filter(
        ({ event, to }) => event["type"] === "m.room.encrypted" && to === pair.alice,
      ).length;
    };
    return { ...pair, noOlm, claims };
  };

  it("begins a new session, which its sender is told by a message in it", () => {
    const { alice, bob, claims, noOlm, server } = given();
    // A session of a later time than the first one.
    bob.nowMs += 1;
    receive(bob, noOlm);
    expect(claims()).toBe(1);
    expect(server.deliver().at(-1)).toMatchObject({ kind: "decrypted", message: { type: "m.dummy" } });
    expect(alice.store.list("olm", curveOf(bob))).toHaveLength(2);
  });

  it("does so once an hour at most, however often it comes: it is in clear, and costs a one-time key", () => {
    const { bob, claims, noOlm } = given();
    for (let i = 0; i < 5; i += 1) {
      receive(bob, noOlm);
      expect(claims()).toBe(1);
    }
    bob.nowMs += HOUR_MS;
    receive(bob, noOlm);
    expect(claims()).toBe(2);
  });

  it("from a device that nobody knows, or under another user's name, does nothing", () => {
    const { alice, bob, claims } = given();
    receive(bob, withheld({ sender_key: "A".repeat(43), code: "m.no_olm" }));
    receive(bob, withheld({ sender_key: curveOf(alice), code: "m.no_olm" }, BOB));
    receive(bob, withheld({ code: "m.no_olm" }));
    expect(claims()).toBe(0);
    expect(bob.store.list("withheld", "")).toEqual([]);
  });

  it("explains what its sender wrote, until something from there arrives", () => {
    const { alice, bob, noOlm, server } = given();
    receive(bob, noOlm);
    const event = encrypt(alice);
    expect(causeCode(decrypt(bob, event))).toBe("withheld.m.no_olm");
    bob.nowMs += 1;
    receive(bob, send(server, alice, bob, "dev.petrel.test", {}));
    expect(causeCode(decrypt(bob, event))).toMatch(/^unknown-session/);
  });
});

describe("the device of somebody who joined", () => {
  it("is not told anything twice for one session", () => {
    const { alice, server } = makeRoom();
    addDevice(server, "PLAIN", false);
    shareAll(server, alice);
    shareAll(server, alice);
    expect(withheldOf(server)).toEqual(["m.unverified"]);
  });
});
