// Keys that a homeserver, or a member's device, chooses to do harm: of small order, given twice, of devices that nobody signed, in a backup that anybody can fill.
import { describe, expect, it } from "vitest";
import { encodeBase64 } from "#crypto/base64.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { OlmSession, type SessionState } from "#crypto/olm/session.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { signJson } from "#crypto/signed-json.ts";
import { keyId, makeDevice, makePerson } from "../support/people.ts";
import { decrypt, encrypt, ROOM, shareAll } from "../support/room.ts";
import { type Server, send } from "../support/server.ts";
import { makeOurs, type Ours } from "../support/world.ts";
import { changedBy, createDumpStore, tablesOf } from "./dump.ts";
import { ALICE, BOB, makeScene, withKey } from "./machines.ts";

const MALLORY = "@mallory:example.org";
const SMALL = encodeBase64(new Uint8Array(32));

const know = (server: Server, ours: Ours, userId: string): void => {
  ours.in((calls) => calls.trackUsers([userId]));
  ours.in((calls) => calls.receiveDeviceLists({ changed: [userId], left: [] }));
  server.settle();
};
/** Mallory with a machine of ours, whose rows the test may alter; everybody knows everybody. */
const withMallory = (): ReturnType<typeof makeScene> & { mallory: Ours } => {
  const scene = makeScene();
  const { server, alice, bob } = scene;
  const mallory = server.join(makeOurs({ userId: MALLORY, deviceId: "MALLORY" }, createDumpStore()));
  for (const userId of [ALICE, BOB, MALLORY]) know(server, mallory, userId);
  for (const ours of [alice, bob]) know(server, ours, MALLORY);
  return { ...scene, mallory };
};

describe("a ratchet key of small order in a message", () => {
  const poison = (mallory: Ours, victim: Ours): void => {
    const { curve25519 } = victim.in((calls) => calls.setUp());
    for (const { item, row } of mallory.store.list("olm", curve25519)) {
      const { ratchet } = row.state;
      if (ratchet.kind !== "active") throw new Error("expected an active ratchet");
      const ratchetKey = { ...ratchet.ratchetKey, publicKey: new Uint8Array(32) };
      const state: SessionState = { ...row.state, ratchet: { ...ratchet, ratchetKey } };
      mallory.store.write([{ table: "olm", group: curve25519, item, row: { ...row, state } }]);
    }
  };

  it("does not stop the share of a room's key with the others, nor for ever with its sender", () => {
    const { server, alice, bob, mallory } = withMallory();
    mallory.in((calls) => calls.prepareSessions([ALICE]));
    server.settle();
    poison(mallory, alice);
    send(server, mallory, alice, "dev.petrel.hello", {});
    expect(server.deliver()).toMatchObject([{ kind: "decrypted" }]);
    shareAll(server, alice, { members: [ALICE, BOB, MALLORY] });
    server.deliver();
    const event = encrypt(alice);
    expect(decrypt(bob, event)).toMatchObject({ kind: "decrypted" });
    // The session that cannot be answered is gone; the next share claims a key for a new one.
    shareAll(server, alice, { members: [ALICE, BOB, MALLORY] });
    expect(alice.store.list("olm", mallory.in((calls) => calls.setUp()).curve25519)).toHaveLength(1);
  });
});

describe("a key of small order on the server", () => {
  it.each(["curve25519", "ed25519"])(
    "a device whose %s key it is gets no room key, and nobody else goes without",
    (name) => {
      const { server, alice, bob } = makeScene();
      const mallory = makePerson(MALLORY);
      server.people.set(MALLORY, mallory);
      const account = OlmAccount.create(nodeProvider);
      makeDevice(mallory, "MALLORY", {
        account,
        alter: (keys) => ({ ...keys, keys: { ...(keys["keys"] as JsonObject), [`${name}:MALLORY`]: SMALL } }),
      });
      const { signingKey } = account.exportState();
      const oneTime = { key: OlmAccount.create(nodeProvider).curve25519 };
      const signed = signJson(oneTime, MALLORY, "ed25519:MALLORY", signingKey);
      server.oneTimeKeys.set(
        JSON.stringify([MALLORY, "MALLORY"]),
        new Map([["signed_curve25519:AAAAAA", signed]]),
      );
      know(server, alice, MALLORY);
      shareAll(server, alice, { members: [ALICE, BOB, MALLORY] });
      server.deliver();
      expect(alice.store.list("olm", SMALL)).toEqual([]);
      expect(decrypt(bob, encrypt(alice))).toMatchObject({ kind: "decrypted" });
    },
  );

  it("a one-time key that it is, rightly signed, begins no session", () => {
    const { server, alice } = makeScene();
    const mallory = makePerson(MALLORY);
    server.people.set(MALLORY, mallory);
    const { account } = makeDevice(mallory, "MALLORY");
    const signed = signJson({ key: SMALL }, MALLORY, "ed25519:MALLORY", account.exportState().signingKey);
    server.oneTimeKeys.set(
      JSON.stringify([MALLORY, "MALLORY"]),
      new Map([["signed_curve25519:AAAAAA", signed]]),
    );
    know(server, alice, MALLORY);
    alice.in((calls) => calls.prepareSessions([MALLORY]));
    const rows = changedBy(alice, () => server.settle());
    expect(tablesOf(rows)).not.toContain("olm");
    expect(alice.notices).toContainEqual(
      expect.objectContaining({ kind: "one-time-key-rejected", userId: MALLORY }),
    );
  });

  it("an identity whose master key it is, is none", () => {
    const { server, alice } = makeScene();
    const mallory = makePerson(MALLORY);
    // R = B, S = 1 "verifies" under the identity point, whatever was signed.
    const signatures = { [MALLORY]: { [`ed25519:${SMALL}`]: encodeBase64(new Uint8Array(64).fill(1)) } };
    mallory.keys = {
      master: { user_id: MALLORY, usage: ["master"], keys: { [`ed25519:${SMALL}`]: SMALL } },
      selfSigning: { ...mallory.keys.selfSigning, signatures },
    };
    server.people.set(MALLORY, mallory);
    know(server, alice, MALLORY);
    const device = makeDevice(mallory, "MALLORY");
    expect(device.deviceKeys["signatures"]).toHaveProperty([MALLORY, keyId(mallory.selfSigning)]);
    know(server, alice, MALLORY);
    const [found] = alice.in((calls) => calls.devices(MALLORY));
    expect(found?.trust.crossSigned ?? false).toBe(false);
  });
});

describe("a one-time key that the homeserver gives out twice", () => {
  it("begins one session with its owner: the second message under it is not read", () => {
    const { server, alice, bob, mallory } = withMallory();
    const name = JSON.stringify([BOB, "BOB"]);
    const [first] = [...(server.oneTimeKeys.get(name) ?? [])];
    if (first === undefined) throw new Error("no key");
    server.oneTimeKeys.set(name, new Map([first]));
    const one = send(server, alice, bob, "x", {});
    server.oneTimeKeys.set(name, new Map([first]));
    const two = send(server, mallory, bob, "x", {});
    expect(bob.in((calls) => calls.receiveToDevice([one]))).toMatchObject([{ kind: "decrypted" }]);
    expect(bob.in((calls) => calls.receiveToDevice([two]))).toMatchObject([{ kind: "undecryptable" }]);
    // Bob begins a session of his own, so that Mallory's next message arrives: over the one that received something last.
    server.settle();
    mallory.nowMs += 1_000;
    server.deliver();
    const three = send(server, mallory, bob, "x", {});
    expect(bob.in((calls) => calls.receiveToDevice([three]))).toMatchObject([{ kind: "decrypted" }]);
  });
});

describe("a homeserver that adds what a user never made (Albrecht et al.)", () => {
  it("a device, signed by itself alone, gets no room key, and reads nothing", () => {
    const { server, alice, bob } = makeScene();
    const spy = server.join(makeOurs({ userId: BOB, deviceId: "SPY" }), {
      crossSigned: false,
      confirmed: false,
    });
    know(server, alice, BOB);
    shareAll(server, alice);
    server.deliver();
    const event = encrypt(alice);
    expect(decrypt(bob, event)).toMatchObject({ kind: "decrypted" });
    expect(decrypt(spy, event)).toMatchObject({ kind: "undecryptable" });
  });

  it("an identity in place of a known one, its device signed by it: no key, where the old one was verified", () => {
    const { server, alice, bob } = makeScene();
    alice.store.write([]);
    const known = server.people.get(BOB);
    const trusting = makeOurs(
      {
        userId: "@carol:example.org",
        deviceId: "CAROL",
        trustedMasters: new Map([[BOB, known?.masterKey ?? ""]]),
      },
      createDumpStore(),
    );
    server.join(trusting);
    know(server, trusting, BOB);
    expect(trusting.in((calls) => calls.identityStatus(BOB))).toBe("verified");
    const impostor = makePerson(BOB);
    makeDevice(impostor, "IMPOSTOR");
    server.people.set(BOB, impostor);
    know(server, trusting, BOB);
    trusting.in((calls) => calls.receiveRoomEncryption(ROOM, { algorithm: "m.megolm.v1.aes-sha2" }));
    const share = () =>
      trusting.in((calls) =>
        calls.shareRoomKey(ROOM, {
          members: ["@carol:example.org", BOB],
          strategy: "cross-signed",
          sharedHistory: false,
        }),
      );
    expect(changedBy(trusting, () => expect(share).toThrow("identity"))).toEqual([]);
    expect(bob.store.list("inbound", ROOM)).toEqual([]);
  });

  it("a message of our own device that we never sent is none of ours", () => {
    const { bob } = withKey();
    const content = { algorithm: "m.megolm.v1.aes-sha2", session_id: "x", ciphertext: "AwgA" };
    const event = { type: "m.room.encrypted", event_id: "$1", sender: BOB, origin_server_ts: 1, content };
    expect(changedBy(bob, () => expect(decrypt(bob, event).kind).toBe("undecryptable"))).toEqual([]);
  });
});

describe("an Olm session whose state a hostile peer moves", () => {
  it("far ahead costs bounded work, and nothing where its MAC is wrong", () => {
    const { server, alice, bob } = makeScene();
    bob.in((calls) => calls.receiveToDevice([send(server, alice, bob, "x", {})]));
    const { curve25519 } = bob.in((calls) => calls.setUp());
    const [entry] = alice.store.list("olm", curve25519);
    if (entry === undefined) throw new Error("no session");
    const session = new OlmSession(nodeProvider, entry.row.state);
    let message = session.encrypt("x");
    for (let i = 0; i < 2_500; i += 1) message = session.encrypt("x");
    const event = {
      type: "m.room.encrypted",
      sender: ALICE,
      content: {
        algorithm: "m.olm.v1.curve25519-aes-sha2",
        sender_key: alice.in((calls) => calls.setUp()).curve25519,
        ciphertext: { [curve25519]: { ...message } },
      },
    };
    const rows = changedBy(bob, () =>
      expect(bob.in((calls) => calls.receiveToDevice([event]))).toMatchObject([{ kind: "undecryptable" }]),
    );
    expect(tablesOf(rows).filter((table) => table !== "wedged")).toEqual([]);
  });
});
