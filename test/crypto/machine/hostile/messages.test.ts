// What a homeserver, or a device of somebody hostile, may put into the to-device messages of a sync. A message that came over Olm has used up its
// key, whatever it says: beyond that nothing changes.
import { describe, expect, it } from "vitest";
import type { ToDeviceResult } from "#crypto/machine/olm/receive.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { type Forger, forger, LIES } from "../support/forger.ts";
import { ROOM } from "../support/room.ts";
import { send } from "../support/server.ts";
import type { Ours } from "../support/world.ts";
import { changedBy, tablesOf } from "./dump.ts";
import { ALICE, BOB, makeScene, withKey } from "./machines.ts";

/** The session's: the one-time key that it cost, the message's hash. */
const OF_ANY_MESSAGE = ["account", "counter", "olm", "seen"];

const receive = (ours: Ours, event: unknown): ToDeviceResult => {
  const [result] = ours.in((calls) => calls.receiveToDevice([event]));
  if (result === undefined) throw new Error("no result");
  return result;
};

const roomKey = (room = ROOM): JsonObject => {
  const session = MegolmOutboundSession.create(nodeProvider);
  return {
    algorithm: "m.megolm.v1.aes-sha2",
    room_id: room,
    session_id: session.sessionId,
    session_key: session.sessionKey(),
  };
};
const asRoomKey = (plaintext: unknown): unknown =>
  typeof plaintext === "string"
    ? plaintext
    : { ...(plaintext as JsonObject), ...ofRoomKey(plaintext as JsonObject) };
/** Lies about type or content stay; the rest of them carry a key that would be taken from an honest message. */
const ofRoomKey = ({ type, content }: JsonObject): JsonObject => ({
  type: type === "x" ? "m.room_key" : type,
  content: Array.isArray(content) ? content : roomKey(),
});

describe("a room key", () => {
  it("in an honest message is taken", () => {
    const { server, bob } = makeScene();
    const mallory = forger(server, bob);
    expect(receive(bob, mallory.event(asRoomKey(mallory.honest)))).toMatchObject({ kind: "room-key" });
  });

  it.each(LIES)("in a message with %s is not taken, nor anything else of it", (_name, lie) => {
    const { server, bob } = makeScene();
    const mallory = forger(server, bob);
    const event = mallory.event(asRoomKey(lie(mallory)));
    const rows = changedBy(bob, () => expect(receive(bob, event)).toMatchObject({ kind: "invalid" }));
    for (const table of tablesOf(rows)) expect(OF_ANY_MESSAGE).toContain(table);
  });

  it.each<[string, JsonObject]>([
    ["of no Megolm", { algorithm: "m.none" }],
    ["whose ID is another's", { session_id: "A".repeat(43) }],
    ["without a key", { session_key: undefined }],
    ["whose key is not one", { session_key: "AgAAAA" }],
    ["for no room", { room_id: undefined }],
    ["for a room that is a list", { room_id: [ROOM] }],
  ])("%s is not taken", (_name, more) => {
    const { server, bob } = makeScene();
    const mallory = forger(server, bob);
    const event = mallory.event({
      ...mallory.honest,
      type: "m.room_key",
      content: { ...roomKey(), ...more },
    });
    const rows = changedBy(bob, () => expect(receive(bob, event)).toMatchObject({ kind: "invalid" }));
    for (const table of tablesOf(rows)) expect(OF_ANY_MESSAGE).toContain(table);
  });

  it("with both names of a shared history, and the third, is read: none of them costs the key", () => {
    const { server, bob } = makeScene();
    const mallory = forger(server, bob);
    const content: JsonObject = {
      ...roomKey(),
      shared_history: "true",
      "m.shared_history": 1,
      "org.matrix.msc3061.shared_history": {},
    };
    expect(receive(bob, mallory.event({ ...mallory.honest, type: "m.room_key", content }))).toMatchObject({
      kind: "room-key",
    });
    expect(bob.store.get("inbound", ROOM, String(content["session_id"]))?.sharedHistory).toBe(false);
  });
});

describe("a key that nobody asked for (CVE-2022-39249)", () => {
  it.each<[string, (mallory: Forger) => JsonObject]>([
    [
      "m.forwarded_room_key",
      ({ curve25519 }) => ({
        ...roomKey(),
        sender_key: curve25519,
        sender_claimed_ed25519_key: curve25519,
        forwarding_curve25519_key_chain: [],
      }),
    ],
    ["m.room_key_bundle", () => ({ room_id: ROOM, file: { url: "mxc://x/y", v: "v2" } })],
    ["m.secret.send", () => ({ request_id: "1", secret: "A".repeat(43) })],
    ["io.element.msc4385.secret.push", () => ({ name: "m.megolm_backup.v1", secret: "A".repeat(43) })],
  ])("%s brings none, encrypted or not", (type, contentOf) => {
    const { server, bob } = makeScene();
    const mallory = forger(server, bob);
    const content = contentOf(mallory);
    const sealed = mallory.event({ ...mallory.honest, type, content });
    const rows = changedBy(bob, () => {
      receive(bob, sealed);
      receive(bob, { type, sender: mallory.user, content });
    });
    // The word of a bundle is remembered: it is fetched if its sender invites us (history/hostile.test.ts).
    for (const table of tablesOf(rows)) expect([...OF_ANY_MESSAGE, "bundle"]).toContain(table);
  });

  it("from a device of our own user that nobody verified brings none", () => {
    const { server, bob } = makeScene();
    const mallory = forger(server, bob, BOB);
    const content = { ...roomKey(), sender_key: mallory.curve25519, forwarding_curve25519_key_chain: [] };
    receive(bob, mallory.event({ ...mallory.honest, type: "m.forwarded_room_key", content }));
    expect(bob.store.list("inbound", ROOM)).toEqual([]);
  });
});

describe("what is not for us, or cannot be read", () => {
  const changedFor = (alter: (event: JsonObject, bob: Ours) => unknown): string[] => {
    const { server, alice, bob } = makeScene();
    const event = send(server, alice, bob, "dev.petrel.test", {});
    const altered = alter(event, bob);
    const rows = changedBy(bob, () => expect(receive(bob, altered).kind).not.toBe("decrypted"));
    // Whatever it was, the real message is read after it.
    expect(receive(bob, event)).toMatchObject({ kind: "decrypted" });
    return rows;
  };
  const content = (event: JsonObject): JsonObject => event["content"] as JsonObject;
  const withContent = (event: JsonObject, more: JsonObject): JsonObject => ({
    ...event,
    content: { ...content(event), ...more },
  });
  const withMessage = (event: JsonObject, bob: Ours, more: JsonObject): JsonObject => {
    const { curve25519 } = bob.in((calls) => calls.setUp());
    const message = (content(event)["ciphertext"] as JsonObject)[curve25519] as JsonObject;
    return withContent(event, { ciphertext: { [curve25519]: { ...message, ...more } } });
  };
  const bodyOf = (event: JsonObject): string =>
    (Object.values(content(event)["ciphertext"] as JsonObject)[0] as { body: string }).body;

  it.each<[string, (event: JsonObject, bob: Ours) => unknown]>([
    ["text in place of an event", () => "x"],
    ["content that is a list", (event) => ({ ...event, content: [] })],
    ["Megolm (CVE-2022-39251)", (event) => withContent(event, { algorithm: "m.megolm.v1.aes-sha2" })],
    ["no sender key", (event) => withContent(event, { sender_key: undefined })],
    ["no ciphertext for us", (event) => withContent(event, { ciphertext: {} })],
    [
      "ciphertext in its prototype",
      (event) => withContent(event, { ciphertext: Object.create(content(event)) }),
    ],
    ["a sender key of small order", (event) => withContent(event, { sender_key: "A".repeat(43) })],
    [
      "another sender key",
      (event) => withContent(event, { sender_key: OlmAccount.create(nodeProvider).curve25519 }),
    ],
    ["a type of its own", (event, bob) => withMessage(event, bob, { type: 2 })],
    ["the type of a later message", (event, bob) => withMessage(event, bob, { type: 1 })],
    ["no body", (event, bob) => withMessage(event, bob, { body: null })],
    [
      "a body cut short (element-ios 7480)",
      (event, bob) => withMessage(event, bob, { body: bodyOf(event).slice(0, 60) }),
    ],
    ["a body that goes on", (event, bob) => withMessage(event, bob, { body: `${bodyOf(event)}AAAA` })],
    ["a body beyond any message", (event, bob) => withMessage(event, bob, { body: "A".repeat(1_000_000) })],
  ])("%s costs nothing", (_name, alter) => {
    const rows = changedFor(alter);
    // A session that may be broken is noted, so that it is replaced; no key is touched.
    for (const table of tablesOf(rows)) expect(["wedged"]).toContain(table);
  });

  it("makes the device send one new session an hour, however much of it comes", () => {
    const { server, alice, bob } = makeScene();
    const events = Array.from({ length: 50 }, () => send(server, alice, bob, "x", {}));
    const broken = events.map((event) =>
      withMessage(event, bob, { body: `${bodyOf(event).slice(0, -4)}AAAA` }),
    );
    const before = server.sent.length;
    for (const event of broken) {
      receive(bob, event);
      server.settle();
    }
    expect(server.sent.length - before).toBe(1);
  });
});

describe("what comes in clear", () => {
  it.each<[string, JsonObject]>([
    [
      "m.room_key_request",
      { action: "request", request_id: "1", requesting_device_id: "EVE", body: roomKey() },
    ],
    [
      "m.room_key_request",
      { action: "request", request_id: "1", requesting_device_id: "__proto__", body: null },
    ],
    [
      "m.secret.request",
      { action: "request", name: "m.megolm_backup.v1", request_id: "1", requesting_device_id: "EVE" },
    ],
  ])("%s of a device that we do not know is not answered (CVE-2021-40824)", (type, content) => {
    for (const sender of [ALICE, BOB, "@eve:example.org"]) {
      const { server, bob } = withKey();
      const before = server.sent.length;
      receive(bob, { type, sender, content });
      server.settle();
      expect(server.sent.slice(before).filter(({ event }) => event["type"] === "m.room.encrypted")).toEqual(
        [],
      );
    }
  });

  it("a word that a key is withheld takes no key away, and fills no store", () => {
    const { alice, bob } = withKey();
    const sessionId = alice.store.get("outbound", ROOM, "")?.state;
    expect(sessionId).not.toBeNull();
    const [known] = bob.store.list("inbound", ROOM);
    const withheld = (room_id: string, session_id: string): JsonObject => ({
      type: "m.room_key.withheld",
      sender: "@eve:example.org",
      content: { algorithm: "m.megolm.v1.aes-sha2", room_id, session_id, code: "m.blacklisted" },
    });
    const rows = changedBy(bob, () => {
      receive(bob, withheld(ROOM, known?.item ?? ""));
      for (let i = 0; i < 100; i += 1) receive(bob, withheld(`!other${i}:x`, "s"));
    });
    expect(rows.filter((name) => name.startsWith('["withheld"'))).toEqual([]);
  });
});
