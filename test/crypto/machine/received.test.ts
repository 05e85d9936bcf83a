// What is believed of a message from another device, and what is taken in clear: one test per lie.
import { describe, expect, it } from "vitest";
import { OlmAccount } from "#crypto/olm/account.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { signJson } from "#crypto/signed-json.ts";
import { makePair, makeServer, type Server, send } from "./support/server.ts";
import { makeOurs, type Ours } from "./support/world.ts";

const receive = (ours: Ours, event: unknown) => ours.in((calls) => calls.receiveToDevice([event]))[0];
const curveOf = (ours: Ours): string => ours.in((calls) => calls.setUp()).curve25519;

/** A sender that can lie: the session of a real device, in the test's hands. */
const forger = (server: Server, to: Ours) => {
  const user = "@mallory:example.org";
  const account = OlmAccount.create(nodeProvider);
  const { signingKey } = account.exportState();
  const keys = {
    user_id: user,
    device_id: "MALLORY",
    algorithms: ["m.olm.v1.curve25519-aes-sha2"],
    keys: { "curve25519:MALLORY": account.curve25519, "ed25519:MALLORY": account.ed25519 },
  };
  const signed = (object: JsonObject): JsonObject => signJson(object, user, "ed25519:MALLORY", signingKey);
  const victim = to.in((calls) => calls.setUp());
  const oneTime = [
    ...(server.oneTimeKeys.get(JSON.stringify([to.config.userId, to.config.deviceId]))?.values() ?? []),
  ];
  const session = account.createOutboundSession(victim.curve25519, (oneTime[0] as { key: string }).key);
  const honest = {
    type: "x",
    content: {},
    sender: user,
    recipient: to.config.userId,
    recipient_keys: { ed25519: victim.ed25519 },
    keys: { ed25519: account.ed25519 },
    sender_device_keys: signed(keys),
  };
  const event = (plaintext: unknown, sender = user): JsonObject => {
    const message = session.encrypt(typeof plaintext === "string" ? plaintext : JSON.stringify(plaintext));
    return {
      type: "m.room.encrypted",
      sender,
      content: {
        algorithm: "m.olm.v1.curve25519-aes-sha2",
        sender_key: account.curve25519,
        ciphertext: { [victim.curve25519]: message },
      },
    };
  };
  return { user, honest, keys, signed, event, other: OlmAccount.create(nodeProvider) };
};
type Forger = ReturnType<typeof forger>;
const withKeys = ({ keys, signed, honest }: Forger, changed: JsonObject): JsonObject => ({
  ...honest,
  sender_device_keys: signed({ ...keys, ...changed }),
});

describe("a plaintext", () => {
  it("that claims nothing wrong is taken", () => {
    const { server, bob } = makePair();
    const mallory = forger(server, bob);
    expect(receive(bob, mallory.event(mallory.honest))).toMatchObject({
      kind: "decrypted",
      trust: { crossSigned: false },
    });
  });

  it.each<[string, (mallory: Forger, bob: Ours) => unknown]>([
    ["another sender", ({ honest }) => ({ ...honest, sender: "@alice:example.org" })],
    ["another recipient", ({ honest }) => ({ ...honest, recipient: "@alice:example.org" })],
    [
      "another recipient key",
      ({ honest, other }) => ({ ...honest, recipient_keys: { ed25519: other.ed25519 } }),
    ],
    ["no recipient key", ({ honest }) => ({ ...honest, recipient_keys: {} })],
    ["another sender key", ({ honest, other }) => ({ ...honest, keys: { ed25519: other.ed25519 } })],
    ["no sender key", ({ honest }) => ({ ...honest, keys: undefined })],
    ["no type", ({ honest }) => ({ ...honest, type: 5 })],
    ["content that is a list", ({ honest }) => ({ ...honest, content: [] })],
    [
      "device keys of another user (CVE-2026-45056)",
      (mallory) => withKeys(mallory, { user_id: "@alice:example.org" }),
    ],
    [
      "device keys with another Curve25519 key",
      (mallory) =>
        withKeys(mallory, { keys: { ...mallory.keys.keys, "curve25519:MALLORY": mallory.other.curve25519 } }),
    ],
    [
      "device keys with another Ed25519 key",
      (mallory) =>
        withKeys(mallory, { keys: { ...mallory.keys.keys, "ed25519:MALLORY": mallory.other.ed25519 } }),
    ],
    ["device keys without a signature", ({ honest, keys }) => ({ ...honest, sender_device_keys: keys })],
    [
      "device keys altered after signing",
      ({ honest }) => ({
        ...honest,
        sender_device_keys: { ...honest.sender_device_keys, algorithms: ["m.megolm.v1.aes-sha2"] },
      }),
    ],
    ["device keys that are null", ({ honest }) => ({ ...honest, sender_device_keys: null })],
    ["device keys under another device ID", (mallory) => withKeys(mallory, { device_id: "BOB" })],
    [
      "device keys with members hidden in a prototype",
      ({ honest }) =>
        JSON.stringify({ ...honest, keys: 1 }).replace(
          '"keys":1',
          `"__proto__":${JSON.stringify({ keys: honest.keys })}`,
        ),
    ],
    ["no JSON", () => "hello"],
    ["JSON null", () => "null"],
  ])("with %s is discarded", (_name, lie) => {
    const { server, bob } = makePair();
    const mallory = forger(server, bob);
    expect(receive(bob, mallory.event(lie(mallory, bob)))).toMatchObject({ kind: "invalid" });
  });

  it("passed on under another sender is discarded", () => {
    const { server, alice, bob } = makePair();
    const event = send(server, alice, bob, "x", {});
    expect(receive(bob, { ...event, sender: "@mallory:example.org" })).toMatchObject({ kind: "invalid" });
  });

  it("whose device is pinned with another Ed25519 key is discarded", () => {
    const { server, bob } = makePair();
    const mallory = forger(server, bob);
    const row = bob.store.get("device", bob.config.userId, "BOB");
    const pinned = {
      ...row!,
      userId: mallory.user,
      deviceId: "MALLORY",
      curve25519: mallory.keys.keys["curve25519:MALLORY"],
    };
    bob.store.write([{ table: "device", group: mallory.user, item: "MALLORY", row: pinned }]);
    expect(receive(bob, mallory.event(mallory.honest))).toMatchObject({ kind: "invalid" });
  });

  it("whose device ID is pinned with another Curve25519 key is discarded", () => {
    const { server, bob } = makePair();
    const mallory = forger(server, bob);
    const row = bob.store.get("device", bob.config.userId, "BOB");
    const pinned = {
      ...row!,
      userId: mallory.user,
      deviceId: "MALLORY",
      curve25519: mallory.other.curve25519,
    };
    bob.store.write([{ table: "device", group: mallory.user, item: "MALLORY", row: pinned }]);
    expect(receive(bob, mallory.event(mallory.honest))).toMatchObject({ kind: "invalid" });
  });

  it("of a dehydrated device is discarded", () => {
    const { server, bob } = makePair();
    const mallory = forger(server, bob);
    expect(receive(bob, mallory.event(withKeys(mallory, { dehydrated: true })))).toMatchObject({
      kind: "invalid",
    });
  });

  it("of a device that is not cross-signed is kept out where that is asked for, but for keys and requests", () => {
    const server = makeServer();
    const bob = server.join(makeOurs({ crossSignedSendersOnly: true }));
    const mallory = forger(server, bob);
    const of = (type: string) => receive(bob, mallory.event({ ...mallory.honest, type }));
    expect(of("m.secret.send")).toMatchObject({ kind: "unverified-sender", type: "m.secret.send" });
    expect(of("dev.petrel.test")).toMatchObject({ kind: "unverified-sender" });
    expect(of("m.key.verification.request")).toMatchObject({ kind: "decrypted" });
  });
});

describe("a to-device event", () => {
  it.each([
    "m.room_key",
    "m.forwarded_room_key",
    "m.secret.send",
    "m.room_key_bundle",
    "m.dummy",
    "m.unknown",
  ])("of type %s in clear is not taken", (type) => {
    expect(receive(makeOurs(), { type, sender: "@a:b", content: {} })).toMatchObject({ kind: "invalid" });
  });

  it.each([
    "m.room_key_request",
    "m.room_key.withheld",
    "m.secret.request",
    "m.key.verification.start",
    "dev.petrel.x",
  ])("of type %s in clear is passed on", (type) => {
    expect(receive(makeOurs(), { type, sender: "@a:b", content: {} })).toMatchObject({ kind: "plain", type });
  });

  const encrypted = (content: unknown) => ({ type: "m.room.encrypted", sender: "@a:b", content });
  it.each<[string, unknown]>([
    ["null", null],
    ["text", "x"],
    ["without content", { type: "m.room.encrypted", sender: "@a:b" }],
    [
      "Megolm to a device (CVE-2022-39251)",
      encrypted({ algorithm: "m.megolm.v1.aes-sha2", ciphertext: "x", session_id: "y" }),
    ],
    [
      "no ciphertext for us",
      encrypted({ algorithm: "m.olm.v1.curve25519-aes-sha2", sender_key: "a", ciphertext: {} }),
    ],
    [
      "__proto__ for a ciphertext",
      encrypted(
        JSON.parse(
          '{"algorithm":"m.olm.v1.curve25519-aes-sha2","sender_key":"a","ciphertext":{"__proto__":{"type":0,"body":"x"}}}',
        ),
      ),
    ],
  ])("that is %s is invalid and changes nothing", (_name, event) => {
    const ours = makeOurs();
    const before = ours.store.get("account", "", "");
    expect(receive(ours, event)).toMatchObject({ kind: "invalid" });
    expect(ours.store.get("account", "", "")).toBe(before);
  });

  it.each([
    [2, "x"],
    [0, 5],
    ["0", "x"],
    [0, "A".repeat(131_073)],
  ])("with type %s and such a body is invalid", (type, body) => {
    const ours = makeOurs();
    const content = {
      algorithm: "m.olm.v1.curve25519-aes-sha2",
      sender_key: "AAAA",
      ciphertext: { [curveOf(ours)]: { type, body } },
    };
    expect(receive(ours, encrypted(content))).toMatchObject({ kind: "invalid" });
  });
});
