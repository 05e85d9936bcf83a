// What is believed of a message from another device, and what is taken in clear: one test per lie.
import { describe, expect, it } from "vitest";
import { forger, LIES, withKeys } from "./support/forger.ts";
import { makePair, makeServer, send } from "./support/server.ts";
import { makeOurs, type Ours } from "./support/world.ts";

const receive = (ours: Ours, event: unknown) => ours.in((calls) => calls.receiveToDevice([event]))[0];
const curveOf = (ours: Ours): string => ours.in((calls) => calls.setUp()).curve25519;

describe("a plaintext", () => {
  it("that claims nothing wrong is taken", () => {
    const { server, bob } = makePair();
    const mallory = forger(server, bob);
    expect(receive(bob, mallory.event(mallory.honest))).toMatchObject({
      kind: "decrypted",
      trust: { crossSigned: false },
    });
  });

  it.each(LIES)("with %s is discarded", (_name, lie) => {
    const { server, bob } = makePair();
    const mallory = forger(server, bob);
    expect(receive(bob, mallory.event(lie(mallory)))).toMatchObject({ kind: "invalid" });
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
      curve25519: mallory.curve25519,
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
