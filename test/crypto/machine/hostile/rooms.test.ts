// What a homeserver may do to the events of a room: none of it is read as what it is not, and a refused event leaves every row as it was.
import { describe, expect, it } from "vitest";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { decrypt, encrypt, ROOM, SETTINGS } from "../support/room.ts";
import type { Ours } from "../support/world.ts";
import { changedBy } from "./dump.ts";
import { BOB, withKey } from "./machines.ts";

type Altered = readonly [event: unknown, room?: string];
const content = (event: JsonObject): JsonObject => event["content"] as JsonObject;
const withContent = (event: JsonObject, more: JsonObject): JsonObject => ({
  ...event,
  content: { ...content(event), ...more },
});

/** An event of Alice's session with a plaintext of the test's choosing. */
const forged = (alice: Ours, plaintext: string): JsonObject => {
  const row = alice.store.get("outbound", ROOM, "");
  if (row === null) throw new Error("no session");
  const session = new MegolmOutboundSession(nodeProvider, row.state);
  const ciphertext = session.encrypt(plaintext);
  return {
    type: "m.room.encrypted",
    event_id: "$forged",
    sender: alice.config.userId,
    origin_server_ts: 1,
    content: { algorithm: "m.megolm.v1.aes-sha2", ciphertext, session_id: session.sessionId },
  };
};

describe("an event that the homeserver altered", () => {
  it.each<[string, (event: JsonObject, scene: ReturnType<typeof withKey>) => Altered, string]>([
    ["another sender (CVE-2025-48937)", (event) => [{ ...event, sender: BOB }], "mismatched-sender"],
    ["a sender beyond any list", (event) => [{ ...event, sender: "__proto__" }], "mismatched-sender"],
    ["no sender", (event) => [{ ...event, sender: null }], "malformed"],
    [
      "another room, whose settings we know",
      (event, { bob }) => {
        const sessionId = String(content(event)["session_id"]);
        const row = bob.store.get("inbound", ROOM, sessionId);
        bob.store.write([{ table: "inbound", group: "!other:x", item: sessionId, row }]);
        return [event, "!other:x"];
      },
      "another-room",
    ],
    [
      "a type of Olm",
      (event) => [withContent(event, { algorithm: "m.olm.v1.curve25519-aes-sha2" })],
      "not-megolm",
    ],
    [
      "an algorithm of its own",
      (event) => [withContent(event, { algorithm: "m.megolm.v2.aes-sha2" })],
      "not-megolm",
    ],
    ["an unknown session", (event) => [withContent(event, { session_id: "constructor" })], "unknown-session"],
    ["a ciphertext cut short", (event) => [withContent(event, { ciphertext: "AwgAEgQ" })], "damaged"],
    [
      "one bit of the ciphertext changed",
      (event) => {
        const bytes = Buffer.from(String(content(event)["ciphertext"]), "base64");
        bytes[20] = (bytes[20] ?? 0) ^ 1;
        return [withContent(event, { ciphertext: bytes.toString("base64").replace(/=+$/, "") })];
      },
      "damaged",
    ],
    [
      "a ciphertext beyond any event's size",
      (event) => [withContent(event, { ciphertext: "A".repeat(2_000_000) })],
      "malformed",
    ],
  ])("with %s is refused and changes nothing", (_name, alter, cause) => {
    const scene = withKey();
    const { alice, bob } = scene;
    const event = encrypt(alice);
    const [altered, room] = alter(event, scene);
    expect(changedBy(bob, () => expect(decrypt(bob, altered, room)).toMatchObject({ cause }))).toEqual([]);
    expect(decrypt(bob, event)).toMatchObject({ kind: "decrypted" });
  });

  it.each<[string, (event: JsonObject) => JsonObject]>([
    ["another ID", (event) => ({ ...event, event_id: "$again" })],
    ["another time", (event) => ({ ...event, origin_server_ts: 9 })],
    // mautrix-go, 2026-05: a table of replays that is keyed by sender_key is led astray by it.
    [
      "another ID and sender_key",
      (event) => withContent({ ...event, event_id: "$again" }, { sender_key: "x" }),
    ],
    [
      "another ID and device_id",
      (event) => withContent({ ...event, event_id: "$again" }, { device_id: "x" }),
    ],
    // One ciphertext has one encoding: an index read from another one would be another event's.
    [
      "another ID and padding",
      (event) => {
        const text = String(content(event)["ciphertext"]);
        return withContent(
          { ...event, event_id: "$again" },
          { ciphertext: text + "=".repeat((4 - (text.length % 4)) % 4) },
        );
      },
    ],
  ])("shown again with %s is a replay, and changes nothing", (_name, alter) => {
    const { alice, bob } = withKey();
    const event = encrypt(alice);
    decrypt(bob, event);
    const again = () => expect(decrypt(bob, alter(event))).toEqual({ kind: "refused", cause: "replay" });
    expect(changedBy(bob, again)).toEqual([]);
  });
});

describe("an event that its sender made badly", () => {
  it.each([
    ["no JSON", "hello"],
    ["a list", "[]"],
    ["null", "null"],
    ["no type", JSON.stringify({ room_id: ROOM, content: {} })],
    ["a type that is a number", JSON.stringify({ room_id: ROOM, content: {}, type: 1 })],
    ["no room", JSON.stringify({ type: "x", content: {} })],
    ["a room in its prototype", `{"__proto__":{"room_id":"${ROOM}"},"type":"x","content":{}}`],
    ["a type in its prototype", `{"__proto__":{"type":"x"},"room_id":"${ROOM}","content":{}}`],
    [
      "JSON nested beyond reason",
      `{"type":"x","room_id":"${ROOM}","content":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
    ],
  ])("with %s inside is not read, and changes nothing", (_name, plaintext) => {
    const { alice, bob } = withKey();
    const event = forged(alice, plaintext);
    expect(changedBy(bob, () => expect(decrypt(bob, event).kind).not.toBe("decrypted"))).toEqual([]);
    expect(decrypt(bob, encrypt(alice))).toMatchObject({ kind: "decrypted" });
  });

  it("with members of every object inside gives back own members only (CVE-2023-28427)", () => {
    const { alice, bob } = withKey();
    const inner = `{"type":"x","room_id":"${ROOM}","content":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}}`;
    const event = withContent(forged(alice, inner), { "m.relates_to": { rel_type: "x" } });
    const result = decrypt(bob, event);
    expect(result).toMatchObject({ kind: "decrypted" });
    if (result.kind !== "decrypted") return;
    expect(Object.keys(result.content as object)).toContain("__proto__");
    expect((result.content as { polluted?: unknown }).polluted).toBeUndefined();
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it.each([
    "m.room_key",
    "m.forwarded_room_key",
    "m.secret.send",
    "m.room_key_bundle",
    "m.room_key.withheld",
    "m.key.verification.done",
  ])("of type %s is an event like any other: no row but its own changes", (type) => {
    const { alice, bob } = withKey();
    const event = encrypt(
      alice,
      { room_id: ROOM, session_id: "x", code: "m.blacklisted", secret: "y" },
      type,
    );
    const rows = changedBy(bob, () => decrypt(bob, event)).map((name) => JSON.parse(name) as string[]);
    expect([...new Set(rows.map(([table]) => table))].sort()).toEqual([
      "idle",
      "inbound",
      "indexes",
      "replay",
    ]);
    expect(rows.filter(([table]) => table === "inbound")).toEqual([
      ["inbound", ROOM, content(event)["session_id"] as string],
    ]);
  });
});

describe("a room", () => {
  it.each<[string, unknown]>([
    ["no algorithm", {}],
    ["an algorithm of null", { algorithm: null }],
    ["an unknown algorithm", { algorithm: "m.none" }],
    [
      "a weaker rotation",
      { algorithm: "m.megolm.v1.aes-sha2", rotation_period_ms: 1e15, rotation_period_msgs: 1e9 },
    ],
    [
      "a rotation of text",
      { algorithm: "m.megolm.v1.aes-sha2", rotation_period_ms: "1", rotation_period_msgs: {} },
    ],
    [
      "negative rotation",
      { algorithm: "m.megolm.v1.aes-sha2", rotation_period_ms: -1, rotation_period_msgs: -5 },
    ],
  ])("stays encrypted, its settings never weaker, with %s", (_name, settings) => {
    const { alice } = withKey();
    const set = { ...SETTINGS, rotation_period_ms: 86_400_000, rotation_period_msgs: 50 };
    alice.in((calls) => calls.receiveRoomEncryption(ROOM, set));
    const before = alice.store.get("room", ROOM, "");
    expect(alice.in((calls) => calls.receiveRoomEncryption(ROOM, settings as JsonObject))).toBe(true);
    expect(alice.store.get("room", ROOM, "")).toEqual(before);
  });
});
