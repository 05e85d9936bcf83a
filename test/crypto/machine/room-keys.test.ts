// Room keys: who gets them, when a new one is made, who is told why not; and the settings that a room may have.
import { describe, expect, it } from "vitest";
import type { ShareOptions } from "#crypto/machine/rooms/share.ts";
import { makePerson, vouch } from "./support/people.ts";
import {
  addDevice,
  decrypt,
  encrypt,
  HOUR_MS,
  MEMBERS,
  makeRoom,
  ROOM,
  SETTINGS,
  share,
  shareAll,
  withheldOf,
} from "./support/room.ts";
import { makeOurs, type Ours } from "./support/world.ts";

/** Matches an error by its code. */
const code = (value: string): { readonly code: string } =>
  expect.objectContaining({ code: value }) as { code: string };

describe("settings", () => {
  it.each([{}, { algorithm: "none" }, { algorithm: "m.megolm.v2" }])(
    "%o does not take encryption back",
    (content) => {
      const { alice } = makeRoom();
      expect(alice.in((calls) => calls.receiveRoomEncryption(ROOM, content))).toBe(true);
      expect(alice.notices).toEqual([{ kind: "encryption-downgrade", roomId: ROOM }]);
      expect(makeOurs().in((calls) => calls.receiveRoomEncryption(ROOM, content))).toBe(false);
    },
  );

  it("become stricter only, within bounds", () => {
    const ours = makeOurs();
    const set = (period: unknown, messages: unknown) => {
      const content = { ...SETTINGS, rotation_period_ms: period, rotation_period_msgs: messages };
      ours.in((calls) => calls.receiveRoomEncryption(ROOM, content));
      return ours.store.get("room", ROOM, "");
    };
    expect(set(2 * HOUR_MS, 1e9)).toMatchObject({ rotationMs: 2 * HOUR_MS, rotationMessages: 10_000 });
    expect(set(1, 50)).toMatchObject({ rotationMs: HOUR_MS, rotationMessages: 50 });
    expect(set(5 * HOUR_MS, 60)).toMatchObject({ rotationMs: HOUR_MS, rotationMessages: 50 });
    expect(set("x", -1)).toMatchObject({ rotationMs: HOUR_MS, rotationMessages: 50 });
    expect(ours.notices.length).toBe(2);
  });
});

describe("a new key is made", () => {
  const rotated = (
    change: (pair: ReturnType<typeof makeRoom>, phone: Ours) => Partial<ShareOptions> | undefined,
  ): boolean => {
    const pair = makeRoom();
    const phone = addDevice(pair.server, "PHONE");
    const before = shareAll(pair.server, pair.alice);
    const options = change(pair, phone);
    return shareAll(pair.server, pair.alice, options) !== before;
  };

  it.each<[string, Parameters<typeof rotated>[0]]>([
    ["a member left", () => ({ members: ["@alice:example.org"] })],
    [
      "a device was logged out",
      ({ server, alice }) => {
        server.people.get("@bob:example.org")!.devices.delete("PHONE");
        alice.in((calls) => calls.receiveDeviceLists({ changed: ["@bob:example.org"], left: [] }));
        server.settle();
        return {};
      },
    ],
    ["the history visibility changed", () => ({ sharedHistory: true })],
    [
      "its time is over",
      ({ alice }) => {
        alice.nowMs += 7 * 24 * HOUR_MS;
        return {};
      },
    ],
    [
      "the clock was put back",
      ({ alice }) => {
        alice.nowMs -= 1;
        return {};
      },
    ],
    [
      "it was invalidated",
      ({ alice }) => {
        alice.in((calls) => calls.invalidateRoomKey(ROOM));
        return {};
      },
    ],
    [
      "it encrypted 100 events",
      ({ alice }) => {
        for (let i = 0; i < 100; i += 1) encrypt(alice);
        return {};
      },
    ],
    ["a device became excluded", () => ({ strategy: "verified" })],
  ])("when %s", (_name, change) => expect(rotated(change)).toBe(true));

  it.each<[string, Parameters<typeof rotated>[0]]>([
    [
      "a device is new",
      ({ server }) => {
        addDevice(server, "TABLET");
        return {};
      },
    ],
    [
      "a device is there that gets none",
      ({ server }) => {
        addDevice(server, "PLAIN", false);
        return {};
      },
    ],
    ["a member is new", () => ({ members: [...MEMBERS, "@carol:example.org"] })],
    ["nothing happened", () => ({})],
  ])("but not when %s", (_name, change) => expect(rotated(change)).toBe(false));

  it("and messages with the old one that did not leave are withdrawn (rust-sdk #2729)", () => {
    const { server, alice } = makeRoom();
    share(alice);
    alice.answerAll("keys-claim", (request) => server.handle(alice, request));
    share(alice);
    expect(alice.requests("to-device")).toHaveLength(1);
    share(alice, { members: ["@alice:example.org"] });
    expect(alice.requests("to-device")).toEqual([]);
  });

  it("and is refused for encryption once worn out, without a share", () => {
    const { server, alice } = makeRoom();
    shareAll(server, alice);
    alice.nowMs += 7 * 24 * HOUR_MS;
    expect(() => encrypt(alice)).toThrow(code("NOT_SHARED"));
  });
});

describe("who gets a key", () => {
  it("is each cross-signed device, once; the others are told, once", () => {
    const { server, alice } = makeRoom();
    const plain = addDevice(server, "PLAIN", false);
    shareAll(server, alice);
    shareAll(server, alice);
    expect(server.sent.filter(({ event }) => event["type"] === "m.room.encrypted")).toHaveLength(1);
    expect(withheldOf(server)).toEqual(["m.unverified"]);
    plain.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
    server.deliver();
    expect(decrypt(plain, encrypt(alice))).toMatchObject({
      kind: "undecryptable",
      cause: "withheld",
      code: "m.unverified",
    });
  });

  it("is every device by another strategy, none but verified ones by a third", () => {
    const { server, alice } = makeRoom();
    addDevice(server, "PLAIN", false);
    shareAll(server, alice, { strategy: "all" });
    expect(server.sent).toHaveLength(2);
    shareAll(server, alice, { strategy: "verified" });
    expect(withheldOf(server)).toEqual(["m.unverified", "m.unverified"]);
  });

  it("is nobody before our own identity is verified and has signed this device", () => {
    const { server } = makeRoom();
    const fresh = server.join(makeOurs({ userId: "@carol:example.org" }), { confirmed: false });
    fresh.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
    expect(() => share(fresh)).toThrow(code("OWN_IDENTITY"));
    const uncrossed = server.join(makeOurs({ userId: "@dora:example.org" }), { crossSigned: false });
    uncrossed.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
    expect(() => share(uncrossed)).toThrow(code("OWN_IDENTITY"));
  });

  it("is nobody while a verified identity is another one (CVE-2024-52813)", () => {
    const { server, alice } = makeRoom();
    const show = () => {
      alice.in((calls) => calls.receiveDeviceLists({ changed: ["@bob:example.org"], left: [] }));
      server.settle();
    };
    vouch(server.people.get("@alice:example.org")!, server.people.get("@bob:example.org")!);
    show();
    server.people.set("@bob:example.org", makePerson("@bob:example.org"));
    show();
    for (const strategy of ["cross-signed", "all", "verified"] as const) {
      expect(() => share(alice, { strategy })).toThrow(code("IDENTITY_CHANGED"));
    }
    alice.in((calls) => calls.acknowledgeIdentity("@bob:example.org"));
    shareAll(server, alice);
  });

  it("is told with m.no_olm, once, where there is no way to it, and gets it later", () => {
    const { server, alice } = makeRoom();
    const name = JSON.stringify(["@bob:example.org", "BOB"]);
    const kept = [...server.oneTimeKeys.get(name)!];
    server.oneTimeKeys.get(name)!.clear();
    shareAll(server, alice);
    shareAll(server, alice);
    expect(withheldOf(server)).toEqual(["m.no_olm"]);
    for (const [id, key] of kept) server.oneTimeKeys.get(name)!.set(id, key);
    alice.nowMs += 15_000;
    shareAll(server, alice);
    expect(server.deliver().at(-1)).toMatchObject({ kind: "room-key" });
  });

  it("reads from the present message on; after its Olm session was replaced, from its first one", () => {
    const { server, alice, bob } = makeRoom();
    shareAll(server, alice, { members: ["@alice:example.org"] });
    const early = encrypt(alice);
    const sessionId = shareAll(server, alice);
    server.deliver();
    expect(decrypt(bob, early)).toMatchObject({ kind: "undecryptable", cause: "unknown-index" });
    const event = encrypt(alice);
    bob.store.write([{ table: "inbound", group: ROOM, item: sessionId, row: null }]);
    alice.store.write([
      {
        table: "wedged",
        group: "@bob:example.org",
        item: "BOB",
        row: { wanted: false, unwedgedAtMs: 1, times: 1 },
      },
      // As the machine does where it writes such a row.
      { table: "counter", group: "", item: "readers", row: { next: 1_000 } },
    ]);
    encrypt(alice);
    shareAll(server, alice);
    server.deliver();
    expect(decrypt(bob, event)).toMatchObject({ kind: "decrypted" });
    expect(decrypt(bob, early)).toMatchObject({ kind: "undecryptable" });
  });

  it("is named __proto__ like anybody else", () => {
    const { server, alice } = makeRoom();
    shareAll(server, alice, { members: [...MEMBERS, "__proto__", "constructor"] });
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});
