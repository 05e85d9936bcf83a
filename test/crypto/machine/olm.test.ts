// Messages between two devices: sessions, once-only, what is believed, what is repaired.
import { describe, expect, it } from "vitest";
import { OlmAccount } from "#crypto/olm/account.ts";
import { OlmSession } from "#crypto/olm/session.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { signJson } from "#crypto/signed-json.ts";
import { makePair, send } from "./support/server.ts";
import { makeOurs, type Ours } from "./support/world.ts";

const HOUR_MS = 3_600_000;
const receive = (ours: Ours, event: unknown) => ours.in((calls) => calls.receiveToDevice([event]))[0];
const curveOf = (ours: Ours): string => ours.in((calls) => calls.setUp()).curve25519;
const ciphertextOf = (event: JsonObject, to: Ours): { type: number; body: string } =>
  ((event["content"] as JsonObject)["ciphertext"] as JsonObject)[curveOf(to)] as {
    type: number;
    body: string;
  };
const sessionsOf = (ours: Ours, peer: Ours) => ours.store.list("olm", curveOf(peer));

describe("a message between two devices", () => {
  it("arrives with its sender proven, and the answer goes over the same session", () => {
    const { server, alice, bob } = makePair();
    const event = send(server, alice, bob, "dev.petrel.test", { a: 1 });
    expect(receive(bob, event)).toMatchObject({
      kind: "decrypted",
      message: {
        type: "dev.petrel.test",
        content: { a: 1 },
        sender: alice.config.userId,
        device: { deviceId: "ALICE" },
      },
      trust: { crossSigned: true, identity: "pinned" },
    });
    const answer = send(server, bob, alice, "dev.petrel.test", {});
    expect(ciphertextOf(answer, alice).type).toBe(1);
    expect(receive(alice, answer)).toMatchObject({ kind: "decrypted" });
    expect([sessionsOf(alice, bob).length, sessionsOf(bob, alice).length]).toEqual([1, 1]);
  });

  it("is taken once, also when the server repeats it after a restart", () => {
    const { server, alice, bob } = makePair();
    const event = send(server, alice, bob, "x", {});
    expect(receive(bob, event)).toMatchObject({ kind: "decrypted" });
    const restarted = makeOurs(bob.config, bob.store);
    expect(receive(restarted, event)).toEqual({ kind: "repeated" });
    expect(bob.store.list("wedged", "")).toEqual([]);
  });

  it("that is damaged costs nothing: the real one is read after it", () => {
    const { server, alice, bob } = makePair();
    const event = send(server, alice, bob, "x", {});
    const damaged = structuredClone(event);
    const text = ciphertextOf(damaged, bob);
    text.body = `${text.body.slice(0, -4)}AAAA`;
    const before = bob.store.get("account", "", "");
    expect(receive(bob, damaged)).toMatchObject({ kind: "undecryptable", code: "MAC" });
    expect(bob.store.get("account", "", "")).toBe(before);
    expect(sessionsOf(bob, alice)).toEqual([]);
    expect(receive(bob, event)).toMatchObject({ kind: "decrypted" });
  });

  it("uses up its one-time key", () => {
    const { server, alice, bob } = makePair();
    const held = () => bob.store.get("account", "", "")?.account.oneTimeKeys.length;
    receive(bob, send(server, alice, bob, "x", {}));
    expect(held()).toBe(49);
  });

  it("comes from any of the last sessions; a sixth drops the one that was quiet longest", () => {
    const { server, alice, bob } = makePair();
    const events: JsonObject[] = [];
    for (let i = 0; i < 6; i += 1) {
      for (const { item } of sessionsOf(alice, bob)) {
        alice.store.write([{ table: "olm", group: curveOf(bob), item, row: null }]);
      }
      alice.nowMs += 1000;
      bob.nowMs += 1000;
      events.push(send(server, alice, bob, "x", {}));
    }
    for (const event of events) {
      bob.nowMs += 1000;
      expect(receive(bob, event)).toMatchObject({ kind: "decrypted" });
    }
    expect(sessionsOf(bob, alice)).toHaveLength(5);
  });

  it("has our signed keys in it, the identity's signature too (MSC4147)", () => {
    const { server, alice, bob } = makePair();
    const event = send(server, alice, bob, "x", {});
    const stranger = makeOurs(bob.config, bob.store);
    stranger.store.write([{ table: "device", group: alice.config.userId, item: "ALICE", row: null }]);
    expect(receive(stranger, event)).toMatchObject({
      kind: "decrypted",
      message: { device: { deviceId: "ALICE" } },
      trust: { crossSigned: true },
    });
    expect(stranger.requests("keys-query")).toHaveLength(1);
  });
});

describe("claiming", () => {
  it("asks once for each device that needs it, 250 at a time", () => {
    const ours = makeOurs();
    const row = makePair().bob.store.get("device", "@bob:example.org", "BOB")!;
    for (let i = 0; i < 251; i += 1) {
      const device = { ...row, userId: "@many:example.org", deviceId: `D${i}` };
      ours.store.write([
        {
          table: "device",
          group: "@many:example.org",
          item: `D${i}`,
          row: { ...device, curve25519: `c${i}` },
        },
      ]);
    }
    const prepare = () => ours.in((calls) => calls.prepareSessions(["@many:example.org"]));
    expect([prepare(), prepare()]).toEqual([251, 251]);
    const sizes = ours.requests("keys-claim").map(({ body }) => {
      const users = body?.["one_time_keys"] as JsonObject;
      return Object.keys(users["@many:example.org"] as JsonObject).length;
    });
    expect(sizes).toEqual([250, 1]);
  });

  it("refuses a key that the device's pinned key did not sign", () => {
    const { server, alice, bob } = makePair();
    const keys = server.oneTimeKeys.get(JSON.stringify([bob.config.userId, "BOB"]))!;
    for (const [id, key] of keys) keys.set(id, { ...(key as JsonObject), key: curveOf(alice) });
    alice.in((calls) => calls.prepareSessions([bob.config.userId]));
    server.settle();
    expect(alice.notices).toMatchObject([{ kind: "one-time-key-rejected", deviceId: "BOB" }]);
    expect(sessionsOf(alice, bob)).toEqual([]);
  });

  it("leaves a device without keys alone for a while, and then asks again", () => {
    const { server, alice, bob } = makePair();
    const keys = server.oneTimeKeys.get(JSON.stringify([bob.config.userId, "BOB"]))!;
    const kept = [...keys];
    keys.clear();
    const prepare = () => alice.in((calls) => calls.prepareSessions([bob.config.userId]));
    expect(prepare()).toBe(1);
    server.settle();
    expect(prepare()).toBe(0);
    for (const [id, key] of kept) keys.set(id, key);
    alice.nowMs += 15_000;
    expect(prepare()).toBe(1);
    server.settle();
    expect(sessionsOf(alice, bob)).toHaveLength(1);
  });

  it("blames a server that failed, not its devices", () => {
    const { alice, bob } = makePair();
    alice.in((calls) => calls.prepareSessions([bob.config.userId]));
    alice.answerAll("keys-claim", () => ({ one_time_keys: {}, failures: { "example.org": {} } }));
    expect(alice.store.list("backoff", "claim-server").map(({ item }) => item)).toEqual(["example.org"]);
    expect(alice.store.list("backoff", "claim-device")).toEqual([]);
  });
});

describe("a broken session", () => {
  /** Bob's store was put back: his side of the session is gone. */
  const broken = () => {
    const pair = makePair();
    const { server, alice, bob } = pair;
    receive(bob, send(server, alice, bob, "x", {}));
    receive(alice, send(server, bob, alice, "x", {}));
    for (const { item } of sessionsOf(bob, alice))
      bob.store.write([{ table: "olm", group: curveOf(alice), item, row: null }]);
    return pair;
  };

  it("is replaced, the peer is told with an m.dummy, and talks over the new one", () => {
    const { server, alice, bob } = broken();
    bob.nowMs += HOUR_MS;
    alice.nowMs += HOUR_MS;
    expect(receive(bob, send(server, alice, bob, "x", {}))).toMatchObject({
      kind: "undecryptable",
      code: "MISSING_KEY",
    });
    server.settle();
    const dummy = server.sent.at(-1)!;
    expect(dummy.to).toBe(alice);
    expect(receive(alice, dummy.event)).toMatchObject({ kind: "decrypted", message: { type: "m.dummy" } });
    expect(receive(bob, send(server, alice, bob, "x", {}))).toMatchObject({ kind: "decrypted" });
  });

  it("is replaced once an hour at most", () => {
    const { server, alice, bob } = broken();
    const keys = server.oneTimeKeys.get(JSON.stringify([alice.config.userId, "ALICE"]))!;
    const before = keys.size;
    for (let i = 0; i < 3; i += 1) {
      receive(bob, send(server, alice, bob, "x", {}));
      server.settle();
    }
    expect(before - keys.size).toBe(1);
    bob.nowMs += HOUR_MS;
    receive(bob, send(server, alice, bob, "x", {}));
    server.settle();
    expect(before - keys.size).toBe(2);
  });

  it("with a stranger is left as it is", () => {
    const { server, alice, bob } = makePair();
    const event = send(server, alice, bob, "x", {});
    const content = {
      ...(event["content"] as JsonObject),
      sender_key: OlmAccount.create(nodeProvider).curve25519,
    };
    expect(receive(bob, { ...event, content })).toMatchObject({ kind: "undecryptable" });
    expect(bob.store.list("wedged", "")).toEqual([]);
  });
});

describe("a fallback key", () => {
  it("reads any number of first messages, and its predecessor goes an hour after its first use", () => {
    const { bob } = makePair();
    const account = () => bob.store.get("account", "", "")!.account;
    const use = () => {
      const them = OlmAccount.create(nodeProvider);
      const [keys] = [bob.in((calls) => calls.setUp())];
      const fallback = Buffer.from(account().fallbackKey!.pair.publicKey)
        .toString("base64")
        .replace(/=+$/, "");
      const message = them.createOutboundSession(keys.curve25519, fallback).encrypt("x");
      return receive(bob, {
        type: "m.room.encrypted",
        sender: "@x:y",
        content: {
          algorithm: "m.olm.v1.curve25519-aes-sha2",
          sender_key: them.curve25519,
          ciphertext: { [keys.curve25519]: message },
        },
      });
    };
    bob.nowMs += 7 * 24 * HOUR_MS;
    bob.answerAll("keys-upload", () => ({}));
    expect(account().previousFallbackKey).not.toBeNull();
    expect([use(), use()]).toMatchObject([{ kind: "invalid" }, { kind: "invalid" }]);
    bob.nowMs += HOUR_MS - 1;
    bob.requests("keys-upload");
    expect(account().previousFallbackKey).not.toBeNull();
    bob.nowMs += 1;
    bob.requests("keys-upload");
    expect(account().previousFallbackKey).toBeNull();
  });
});

describe("a first message under a fallback key", () => {
  it("begins one session only, however often it comes (rust-sdk #2098)", () => {
    const { server, alice, bob } = makePair();
    const name = JSON.stringify([bob.config.userId, "BOB"]);
    const { pair } = bob.store.get("account", "", "")!.account.fallbackKey!;
    const key = Buffer.from(pair.publicKey).toString("base64").replace(/=+$/, "");
    const { signingKey } = bob.store.get("account", "", "")!.account;
    const fallback = signJson({ key, fallback: true }, bob.config.userId, "ed25519:BOB", signingKey);
    server.oneTimeKeys.set(name, new Map([["signed_curve25519:F", fallback]]));
    const event = send(server, alice, bob, "x", {});
    expect(receive(bob, event)).toMatchObject({ kind: "decrypted" });
    for (const { item } of bob.store.list("seen", "")) {
      bob.store.write([{ table: "seen", group: "", item, row: null }]);
    }
    expect(receive(bob, event)).toMatchObject({ kind: "undecryptable", code: "MISSING_KEY" });
    expect(sessionsOf(bob, alice)).toHaveLength(1);
  });
});

describe("sending to a device", () => {
  it("moves the ratchet on in the row before the message is out", () => {
    const { server, alice, bob } = makePair();
    send(server, alice, bob, "x", {});
    const before = sessionsOf(alice, bob)[0]!.row;
    alice.in((calls) => calls.sendToDevice(bob.config.userId, "BOB", "x", {}));
    const [request] = alice.requests("to-device");
    const messages = request!.body!["messages"] as JsonObject;
    const sent = (messages[bob.config.userId] as JsonObject)["BOB"] as JsonObject;
    const again = new OlmSession(nodeProvider, before.state).encrypt("other");
    expect(ciphertextOf({ content: sent }, bob).body.slice(0, 40)).toBe(again.body.slice(0, 40));
    expect(sessionsOf(alice, bob)[0]!.row.state).not.toEqual(before.state);
  });

  it("keeps its transaction ID and its ciphertext until it is answered", () => {
    const { server, alice, bob } = makePair();
    send(server, alice, bob, "x", {});
    alice.in((calls) => calls.sendToDevice(bob.config.userId, "BOB", "x", {}));
    const first = alice.requests("to-device");
    alice.in((calls) => calls.answer(first[0]!.id, { ok: false, status: null, body: null }));
    expect(makeOurs(alice.config, alice.store).requests("to-device")).toEqual(first);
    expect(first[0]!.path.endsWith(`/m.room.encrypted/${first[0]!.id}`)).toBe(true);
  });

  it("that is not known is the caller's mistake", () => {
    expect(() => makeOurs().in((calls) => calls.sendToDevice("@x:y", "Z", "x", {}))).toThrow(
      expect.objectContaining({ code: "UNKNOWN_DEVICE" }),
    );
  });
});
