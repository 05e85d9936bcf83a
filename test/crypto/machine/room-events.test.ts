// Events of an encrypted room and the keys that come in for them: what is read, what is refused, what is said of it.
import { describe, expect, it } from "vitest";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { decrypt, encrypt, MEMBERS, makeRoom, ROOM, SETTINGS, share, shareAll } from "./support/room.ts";
import { makePair, send } from "./support/server.ts";
import { makeOurs, type Ours } from "./support/world.ts";

/** Matches an error by its code. */
const code = (value: string): { readonly code: string } =>
  expect.objectContaining({ code: value }) as { code: string };

describe("a room's events", () => {
  it("are read by who got the key, sender and relation with them", () => {
    const { server, alice, bob } = makeRoom();
    const sessionId = shareAll(server, alice);
    expect(server.deliver()).toEqual([
      { kind: "room-key", key: { roomId: ROOM, sessionId }, sender: "@alice:example.org" },
    ]);
    const relation = { rel_type: "m.annotation", event_id: "$x" };
    const event = encrypt(alice, { body: "hi", "m.relates_to": relation });
    expect((event["content"] as JsonObject)["m.relates_to"]).toEqual(relation);
    expect(decrypt(bob, event)).toMatchObject({
      kind: "decrypted",
      type: "m.room.message",
      content: { body: "hi", "m.relates_to": relation },
      sender: "@alice:example.org",
      device: { deviceId: "ALICE" },
      shield: "unverified-identity",
    });
    expect(decrypt(alice, encrypt(alice, {}))).toMatchObject({
      kind: "decrypted",
      content: {},
      shield: null,
    });
  });

  it("are not encrypted before every message with the key was answered", () => {
    const { server, alice } = makeRoom();
    expect(() => encrypt(alice)).toThrow(code("NOT_SHARED"));
    share(alice);
    alice.answerAll("keys-claim", (request) => server.handle(alice, request));
    expect(share(alice).messages).toBe(1);
    expect(() => encrypt(alice)).toThrow(code("NOT_SHARED"));
    server.settle();
    expect(encrypt(alice)).toBeDefined();
  });

  it("are never encrypted, nor their key shared, where the room's settings are not known", () => {
    const { alice } = makePair();
    expect(() => share(alice)).toThrow(code("NOT_ENCRYPTED"));
    expect(() => encrypt(alice)).toThrow(code("NOT_ENCRYPTED"));
  });

  it("have an index each: the ratchet moves in the row, restart or not", () => {
    const { server, alice, bob } = makeRoom();
    shareAll(server, alice);
    server.deliver();
    const first = encrypt(alice);
    const second = encrypt(makeOurs(alice.config, alice.store), { body: "two" });
    for (const event of [first, second]) expect(decrypt(bob, event)).toMatchObject({ kind: "decrypted" });
    expect(alice.store.get("outbound", ROOM, "")).toMatchObject({
      messages: 2,
      state: { ratchet: { index: 2 } },
    });
  });
});

describe("an event", () => {
  const given = () => {
    const pair = makeRoom();
    shareAll(pair.server, pair.alice);
    pair.server.deliver();
    return pair;
  };

  it("is read again under its own ID, and refused under another (replay), after a restart too", () => {
    const { alice, bob } = given();
    const event = encrypt(alice);
    expect(decrypt(bob, event)).toMatchObject({ kind: "decrypted" });
    const restarted = makeOurs(bob.config, bob.store);
    expect(decrypt(restarted, event)).toMatchObject({ kind: "decrypted" });
    expect(decrypt(restarted, { ...event, event_id: "$again" })).toEqual({
      kind: "refused",
      cause: "replay",
    });
    expect(decrypt(restarted, { ...event, origin_server_ts: 7e12 })).toEqual({
      kind: "refused",
      cause: "replay",
    });
  });

  it("under another sender than the session's is refused, and can still be read under its own (CVE-2025-48937)", () => {
    const { alice, bob } = given();
    const event = encrypt(alice);
    expect(decrypt(bob, { ...event, sender: "@bob:example.org" })).toEqual({
      kind: "refused",
      cause: "mismatched-sender",
    });
    expect(decrypt(bob, event)).toMatchObject({ kind: "decrypted" });
  });

  it("moved to another room is refused, also where the session is known there", () => {
    const { alice, bob } = given();
    const event = encrypt(alice);
    expect(decrypt(bob, event, "!other:x")).toMatchObject({
      kind: "undecryptable",
      cause: "unknown-session",
    });
    const sessionId = String((event["content"] as JsonObject)["session_id"]);
    const row = bob.store.get("inbound", ROOM, sessionId);
    bob.store.write([{ table: "inbound", group: "!other:x", item: sessionId, row }]);
    expect(decrypt(bob, event, "!other:x")).toEqual({ kind: "refused", cause: "another-room" });
  });

  it("needs neither sender_key nor device_id, and believes neither (MSC3700, MSC4381)", () => {
    const { alice, bob } = given();
    const event = encrypt(alice);
    const content = { ...(event["content"] as JsonObject), sender_key: 5, device_id: "EVE" };
    expect(decrypt(bob, { ...event, content })).toMatchObject({
      kind: "decrypted",
      device: { deviceId: "ALICE" },
    });
  });

  it.each<[string, (event: JsonObject) => unknown, object]>([
    ["null", () => null, { kind: "refused", cause: "malformed" }],
    ["without ID", (event) => ({ ...event, event_id: undefined }), { kind: "refused", cause: "malformed" }],
    [
      "of Olm",
      (event) => ({ ...event, content: { algorithm: "m.olm.v1.curve25519-aes-sha2" } }),
      { kind: "refused", cause: "not-megolm" },
    ],
    [
      "with a ciphertext that is none",
      (event) => ({ ...event, content: { ...(event["content"] as JsonObject), ciphertext: {} } }),
      { kind: "refused", cause: "malformed" },
    ],
    [
      "damaged",
      (event) => ({ ...event, content: { ...(event["content"] as JsonObject), ciphertext: "AwgA" } }),
      { kind: "undecryptable", cause: "damaged" },
    ],
    [
      "of a session named __proto__",
      (event) => ({ ...event, content: { ...(event["content"] as JsonObject), session_id: "__proto__" } }),
      { kind: "undecryptable", cause: "unknown-session" },
    ],
  ])("%s changes nothing", (_name, alter, expected) => {
    const { alice, bob } = given();
    const event = encrypt(alice);
    expect(decrypt(bob, alter(event))).toMatchObject(expected);
    expect(decrypt(bob, event)).toMatchObject({ kind: "decrypted" });
  });

  it("that carries a room key gives none: keys come over Olm only", () => {
    const { alice, bob } = given();
    const event = encrypt(
      alice,
      { algorithm: "m.megolm.v1.aes-sha2", room_id: ROOM, session_id: "x", session_key: "y" },
      "m.room_key",
    );
    const before = bob.store.list("inbound", ROOM).map(({ item }) => item);
    expect(decrypt(bob, event)).toMatchObject({ kind: "decrypted", type: "m.room_key" });
    expect(bob.store.list("inbound", ROOM).map(({ item }) => item)).toEqual(before);
  });

  it.each<[string | null, (pair: ReturnType<typeof given>, sessionId: string) => void]>([
    ["unverified-identity", () => undefined],
    [
      "unknown-device",
      ({ bob }) =>
        bob.store.write([{ table: "device", group: "@alice:example.org", item: "ALICE", row: null }]),
    ],
    [
      "unsigned-device",
      ({ bob }) => {
        const row = bob.store.get("device", "@alice:example.org", "ALICE")!;
        bob.store.write([
          {
            table: "device",
            group: "@alice:example.org",
            item: "ALICE",
            row: { ...row, crossSignedBy: null },
          },
        ]);
      },
    ],
    [
      "unknown-device",
      ({ bob }) => {
        const row = bob.store.get("device", "@alice:example.org", "ALICE")!;
        bob.store.write([
          { table: "device", group: "@alice:example.org", item: "ALICE", row: { ...row, ed25519: "other" } },
        ]);
      },
    ],
    [
      "authenticity-not-guaranteed",
      ({ bob }, sessionId) => {
        const row = bob.store.get("inbound", ROOM, sessionId)!;
        bob.store.write([{ table: "inbound", group: ROOM, item: sessionId, row: { ...row, owner: null } }]);
      },
    ],
    [
      "verification-violation",
      ({ bob }) => {
        const row = bob.store.get("identity", "", "@alice:example.org")!;
        bob.store.write([
          {
            table: "identity",
            group: "",
            item: "@alice:example.org",
            row: { ...row, previouslyVerified: true },
          },
        ]);
      },
    ],
  ])("has the shield %s", (shield, change) => {
    const pair = given();
    const event = encrypt(pair.alice);
    change(pair, String((event["content"] as JsonObject)["session_id"]));
    expect(decrypt(pair.bob, event)).toMatchObject({ kind: "decrypted", shield });
  });
});

describe("a room key that comes in", () => {
  const keyOf = (pair: ReturnType<typeof makeRoom>) => {
    const sessionId = shareAll(pair.server, pair.alice);
    pair.server.deliver();
    const row = pair.alice.store.get("inbound", ROOM, sessionId)!;
    return { sessionId, row };
  };
  const content = (sessionId: string, session_key: string): JsonObject => ({
    ...SETTINGS,
    room_id: ROOM,
    session_id: sessionId,
    session_key,
  });
  const receive = (pair: ReturnType<typeof makeRoom>, from: Ours, key: JsonObject) =>
    pair.bob.in((calls) => calls.receiveToDevice([send(pair.server, from, pair.bob, "m.room_key", key)]))[0];

  it("under an ID that is not its own, of another algorithm, or as an export is rejected", () => {
    const pair = makeRoom();
    const { sessionId, row } = keyOf(pair);
    const exported = new MegolmInboundSession(nodeProvider, row.state).exportAt(0);
    for (const key of [
      content("other", exported),
      content(sessionId, exported),
      { ...content(sessionId, exported), algorithm: "m.x" },
    ]) {
      expect(receive(pair, pair.alice, key)).toMatchObject({ kind: "invalid" });
    }
    expect(pair.bob.notices.map(({ kind }) => kind)).toEqual(Array(3).fill("room-key-rejected"));
    expect(JSON.stringify(pair.bob.notices)).not.toContain(exported.slice(10, 40));
  });

  it("does not take a session over from the device that it is known from", () => {
    const pair = makeRoom();
    const { sessionId } = keyOf(pair);
    const mallory = pair.server.join(makeOurs({ userId: "@mallory:example.org", deviceId: "M" }));
    mallory.in((calls) => calls.trackUsers(MEMBERS));
    pair.server.settle();
    const key = new MegolmInboundSession(
      nodeProvider,
      pair.alice.store.get("inbound", ROOM, sessionId)!.state,
    );
    expect(key.sessionId).toBe(sessionId);
    const { state } = pair.alice.store.get("outbound", ROOM, "")!;
    mallory.store.write([
      {
        table: "outbound",
        group: ROOM,
        item: "",
        row: { state, createdAtMs: mallory.nowMs, messages: 0, sharedHistory: false, invalidated: false },
      },
    ]);
    mallory.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
    shareAll(pair.server, mallory);
    expect(pair.server.deliver()).toContainEqual({ kind: "invalid", reason: "m.room_key: it does not hold" });
    expect(pair.bob.store.get("inbound", ROOM, sessionId)?.owner).toBe("@alice:example.org");
  });

  it("overrides that it was withheld", () => {
    const pair = makeRoom();
    const sessionId = shareAll(pair.server, pair.alice);
    const withheld = { ...SETTINGS, room_id: ROOM, session_id: sessionId, code: "m.unverified" };
    pair.bob.in((calls) =>
      calls.receiveToDevice([
        { type: "m.room_key.withheld", sender: "@alice:example.org", content: withheld },
      ]),
    );
    const event = encrypt(pair.alice);
    expect(decrypt(pair.bob, event)).toMatchObject({ cause: "withheld" });
    pair.server.deliver();
    expect(decrypt(pair.bob, event)).toMatchObject({ kind: "decrypted" });
  });

  it.each([true, false])("says whether later members may have it: %s", (sharedHistory) => {
    const pair = makeRoom();
    const sessionId = shareAll(pair.server, pair.alice, { sharedHistory });
    pair.server.deliver();
    expect(pair.bob.store.get("inbound", ROOM, sessionId)?.sharedHistory).toBe(sharedHistory);
  });
});
