// Bundles of history that must not be given, fetched or believed (MSC4268; CVE-2024-47080).
import { beforeEach, describe, expect, it } from "vitest";
import { type BundlePart, encodeBundle, readBundle } from "#crypto/machine/history/bundle.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { makePerson } from "../support/people.ts";
import { HOUR_MS, ROOM, SETTINGS } from "../support/room.ts";
import { makeServer, type Server, send } from "../support/server.ts";
import { makeOurs, type Ours } from "../support/world.ts";

const ALICE = "@alice:example.org";
const BOB = "@bob:example.org";
const TYPE = "m.room_key_bundle";
const FILE: JsonObject = { v: "v2", url: "mxc://example.org/bundle", key: {}, iv: "", hashes: {} };
const TOLD: JsonObject = { room_id: ROOM, file: FILE };

let server: Server;
/** Invites, and sends a bundle. */
let alice: Ours;
let bob: Ours;

const join = (userId: string, deviceId: string, options: { crossSigned?: boolean } = {}): Ours => {
  const ours = server.join(makeOurs({ userId, deviceId }), options);
  ours.in((calls) => {
    calls.trackUsers([ALICE, BOB]);
    calls.receiveRoomEncryption(ROOM, SETTINGS);
  });
  for (const machine of server.machines)
    machine.in((calls) => calls.receiveDeviceLists({ changed: [userId], left: [] }));
  server.settle();
  return ours;
};

beforeEach(() => {
  server = makeServer();
  alice = join(ALICE, "ALICE");
  bob = join(BOB, "BOB");
});

const receive = (ours: Ours, event: JsonObject) => ours.in((calls) => calls.receiveToDevice([event]));
const tell = (from: Ours, to: Ours, content: JsonObject = TOLD): void =>
  void receive(to, send(server, from, to, TYPE, content));
const expectFrom = (ours: Ours, inviter: string): void => {
  ours.in((calls) => calls.expectHistory(ROOM, inviter));
  server.settle();
};
const wanted = (ours: Ours) => ours.in((calls) => calls.wantedHistory());

describe("a bundle that somebody told of", () => {
  it("is fetched once we joined by its sender's invitation, whichever came first", () => {
    tell(alice, bob);
    expect(wanted(bob)).toEqual([]);
    expectFrom(bob, ALICE);
    expect(wanted(bob)).toEqual([{ roomId: ROOM, inviter: ALICE, file: FILE }]);
    bob.in((calls) => calls.historyDone(ROOM));
    expect(wanted(bob)).toEqual([]);
    expectFrom(bob, ALICE);
    tell(alice, bob);
    expect(wanted(bob)).toHaveLength(1);
  });

  it.each<[string, () => void]>([
    [
      "for another room",
      () => {
        tell(alice, bob, { ...TOLD, room_id: "!other:example.org" });
        expectFrom(bob, ALICE);
      },
    ],
    [
      "by somebody else than who invited us",
      () => {
        const carol = join("@carol:example.org", "CAROL");
        bob.in((calls) => calls.trackUsers(["@carol:example.org"]));
        server.settle();
        tell(carol, bob);
        expectFrom(bob, ALICE);
      },
    ],
    [
      "by a device of the inviter's that is not cross-signed",
      () => {
        tell(join(ALICE, "PLAIN", { crossSigned: false }), bob);
        expectFrom(bob, ALICE);
      },
    ],
    [
      "by an inviter whose identity is another one than we knew",
      () => {
        tell(alice, bob);
        const person = makePerson(ALICE);
        for (const [id, keys] of server.people.get(ALICE)?.devices ?? []) person.devices.set(id, keys);
        server.people.set(ALICE, person);
        bob.in((calls) => calls.receiveDeviceLists({ changed: [ALICE], left: [] }));
        expectFrom(bob, ALICE);
      },
    ],
    [
      "by a device that is gone",
      () => {
        tell(alice, bob);
        server.people.get(ALICE)?.devices.delete("ALICE");
        bob.in((calls) => calls.receiveDeviceLists({ changed: [ALICE], left: [] }));
        expectFrom(bob, ALICE);
      },
    ],
    [
      "a day after we joined",
      () => {
        expectFrom(bob, ALICE);
        bob.nowMs += 24 * HOUR_MS;
        tell(alice, bob);
      },
    ],
    [
      "two weeks ago",
      () => {
        tell(alice, bob);
        bob.nowMs += 14 * 24 * HOUR_MS;
        expectFrom(bob, ALICE);
      },
    ],
    [
      "in clear",
      () => {
        expect(receive(bob, { type: TYPE, sender: ALICE, content: TOLD })).toMatchObject([
          { kind: "invalid" },
        ]);
        expectFrom(bob, ALICE);
      },
    ],
    [
      "without an address",
      () => {
        tell(alice, bob, { room_id: ROOM, file: { v: "v2" } });
        expectFrom(bob, ALICE);
      },
    ],
    [
      "with a description beyond all bounds",
      () => {
        tell(alice, bob, { room_id: ROOM, file: { ...FILE, more: "x".repeat(5_000) } });
        expectFrom(bob, ALICE);
      },
    ],
  ])("is not fetched where it was %s", (_name, given) => {
    given();
    expect(wanted(bob)).toEqual([]);
  });

  it("shows its key in no result", () => {
    const [result] = receive(bob, send(server, alice, bob, TYPE, TOLD));
    expect(JSON.stringify(result)).not.toContain("mxc://");
  });

  it("is not remembered beyond so many", () => {
    for (let i = 0; i < 40; i += 1) tell(alice, bob, { ...TOLD, room_id: `!${i}:example.org` });
    expect(bob.store.list("bundle", "")).toHaveLength(32);
  });
});

describe("what is in a bundle", () => {
  const makeKey = (more: JsonObject = {}) => {
    const outbound = MegolmOutboundSession.create(nodeProvider);
    const session = MegolmInboundSession.fromSessionKey(nodeProvider, outbound.sessionKey());
    return {
      algorithm: "m.megolm.v1.aes-sha2",
      room_id: ROOM,
      session_id: outbound.sessionId,
      session_key: session.exportAt(0),
      sender_key: "claimed",
      sender_claimed_keys: { ed25519: "claimed" },
      ...more,
    };
  };
  const take = (keys: readonly unknown[], refused: readonly string[] = []) =>
    bob.in((calls) => calls.takeHistory(ROOM, keys, new Set(refused)));
  beforeEach(() => expectFrom(bob, ALICE));

  it("is taken as passed on by the inviter, to be passed on again", () => {
    const key = makeKey();
    expect(take([key])).toMatchObject({ new: 1, failed: 0 });
    expect(bob.store.get("inbound", ROOM, key.session_id)).toMatchObject({
      owner: null,
      origin: "history",
      forwardedBy: ALICE,
      sharedHistory: true,
    });
  });

  it.each<[string, () => unknown]>([
    ["a key of another room", () => makeKey({ room_id: "!other:example.org" })],
    ["a key under another's name", () => makeKey({ session_id: makeKey().session_id })],
    ["a key of another algorithm", () => makeKey({ algorithm: "m.megolm.v2" })],
    ["a key that is none", () => makeKey({ session_key: "AAAA" })],
    ["no key at all", () => null],
  ])("is refused where it is %s, and the rest is taken", (_name, bad) => {
    expect(take([bad(), makeKey()])).toMatchObject({ new: 1, failed: 1 });
    expect(bob.store.list("inbound", "!other:example.org")).toEqual([]);
  });

  it("is refused where it stands in both lists", () => {
    const key = makeKey();
    expect(take([key], [key.session_id])).toMatchObject({ new: 0, failed: 1 });
  });

  it("is refused where no bundle is waited for", () => {
    bob.in((calls) => calls.historyDone(ROOM));
    expect(take([makeKey()])).toMatchObject({ new: 0, failed: 1 });
  });

  it("does not replace what its maker sent", () => {
    const sessionId = alice.in((calls) =>
      calls.shareRoomKey(ROOM, { members: [ALICE], strategy: "cross-signed", sharedHistory: true }),
    ).sessionId;
    for (let round = 0; round < 2; round += 1) {
      alice.in((calls) =>
        calls.shareRoomKey(ROOM, { members: [ALICE, BOB], strategy: "cross-signed", sharedHistory: true }),
      );
      server.settle();
    }
    server.deliver();
    expect(bob.store.get("inbound", ROOM, sessionId)?.owner).toBe(ALICE);
    expect(take([makeKey({ session_id: sessionId })])).toMatchObject({ failed: 1 });
    const { roomKeys } = alice.in((calls) => calls.historyPart(ROOM, null));
    expect(take(roomKeys)).toMatchObject({ known: 1 });
    expect(bob.store.get("inbound", ROOM, sessionId)).toMatchObject({ owner: ALICE, origin: "device" });
  });

  it.each(["", "null", "[]", '{"room_keys":7}', '{"withheld":{}}', "\u0000"])(
    "is refused where it reads %j",
    (text) => expect(() => readBundle(new TextEncoder().encode(text))).toThrow(),
  );

  it("is refused beyond a size", () =>
    expect(() => readBundle(new Uint8Array(16 * 1024 * 1024 + 1))).toThrow("expected at most"));
});

describe("a bundle of ours", () => {
  const share = (sharedHistory: boolean): string =>
    alice.in((calls) => calls.shareRoomKey(ROOM, { members: [], strategy: "all", sharedHistory })).sessionId;
  const give = (file: JsonObject = FILE) => {
    for (;;) {
      const share = alice.in((calls) => calls.shareHistory(ROOM, BOB, file));
      server.settle();
      if (share.queries + share.claims === 0) return share.devices;
    }
  };

  it("holds what later members may have, page by page, and names the rest", () => {
    const ids = { shared: new Set<string>(), kept: new Set<string>() };
    for (let i = 0; i < 120; i += 1) (i % 3 === 0 ? ids.kept : ids.shared).add(share(i % 3 !== 0));
    const parts: BundlePart[] = [];
    for (let after: string | null = null; ; ) {
      const from: string | null = after;
      const part: BundlePart = alice.in((calls) => calls.historyPart(ROOM, from));
      parts.push(part);
      ({ after } = part);
      if (after === null) break;
    }
    expect(parts.length).toBeGreaterThan(1);
    const bundle = encodeBundle(parts) ?? {};
    const named = (list: unknown): Set<string> =>
      new Set((list as { session_id: string }[]).map(({ session_id }) => session_id)); // as `encodeBundle` makes it
    expect(named(bundle["room_keys"])).toEqual(ids.shared);
    expect(named(bundle["withheld"])).toEqual(ids.kept);
    expect(JSON.stringify(bundle["withheld"])).not.toContain("session_key");
  });

  it("is none where nothing may be shared", () => {
    share(false);
    expect(encodeBundle([alice.in((calls) => calls.historyPart(ROOM, null))])).toBeNull();
  });

  it("is told to cross-signed devices alone", () => {
    join(BOB, "PLAIN", { crossSigned: false });
    expect(give()).toBe(1);
    expect(server.sent.map(({ to }) => to.config.deviceId)).toEqual(["BOB"]);
  });

  it("is told to nobody by a device that is not cross-signed itself", () => {
    const plain = join(ALICE, "PLAIN", { crossSigned: false });
    expect(() => plain.in((calls) => calls.shareHistory(ROOM, BOB, FILE))).toThrow("cross-signing");
  });
});
