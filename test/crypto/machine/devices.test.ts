// What is believed of other people's devices and identities, against a server that lies about each of them.
import { describe, expect, it } from "vitest";
import { OlmAccount } from "#crypto/olm/account.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { signJson } from "#crypto/signed-json.ts";
import {
  crossSign,
  crossSigningKey,
  keyId,
  makeDevice,
  makePerson,
  type Person,
  publicKey,
  queryAnswer,
  vouch,
} from "./support/people.ts";
import { makeOurs, type Ours } from "./support/world.ts";

const ALICE = "@alice:example.org";

/** Has the server show these people (again). */
const show = (ours: Ours, ...people: Person[]): void => {
  const users = people.map(({ userId }) => userId);
  ours.in((calls) => {
    calls.trackUsers(users);
    calls.receiveDeviceLists({ changed: users, left: [] });
  });
  while (ours.answerAll("keys-query", () => queryAnswer(...people)) > 0);
};
const devicesOf = (ours: Ours, userId: string) => ours.in((calls) => calls.devices(userId));
const statusOf = (ours: Ours, userId: string) => ours.in((calls) => calls.identityStatus(userId));
const ownDeviceKeys = (ours: Ours): JsonObject =>
  ours.requests("keys-upload")[0]?.body?.["device_keys"] as JsonObject;
/** Ours, with an identity that signed this device. */
const withIdentity = (confirm = true): { ours: Ours; me: Person } => {
  const ours = makeOurs();
  const me = makePerson(ours.config.userId);
  me.devices.set(ours.config.deviceId, crossSign(me, ownDeviceKeys(ours)));
  show(ours, me);
  if (confirm) ours.in((calls) => calls.confirmOwnIdentity(me.masterKey));
  return { ours, me };
};

describe("a device", () => {
  it("is taken with its pinned keys, cross-signed or not", () => {
    const ours = makeOurs();
    const alice = makePerson(ALICE);
    const phone = makeDevice(alice, "PHONE");
    makeDevice(alice, "LAPTOP", { crossSigned: false });
    show(ours, alice);
    expect(devicesOf(ours, ALICE)).toMatchObject([
      { device: { deviceId: "LAPTOP" }, trust: { crossSigned: false, verified: false, identity: "pinned" } },
      {
        device: { deviceId: "PHONE", ed25519: phone.account.ed25519, curve25519: phone.account.curve25519 },
        trust: { crossSigned: true, verified: false, identity: "pinned" },
      },
    ]);
  });

  const without = (keys: JsonObject, name: string): JsonObject =>
    Object.fromEntries(Object.entries(keys).filter(([key]) => key !== name));
  it.each<[string, (keys: JsonObject) => JsonObject]>([
    ["another user's ID", (keys) => ({ ...keys, user_id: "@eve:example.org" })],
    ["another device ID", (keys) => ({ ...keys, device_id: "OTHER" })],
    ["no keys", (keys) => without(keys, "keys")],
    ["a key of another name", (keys) => ({ ...keys, keys: { "ed25519:X": "a", "curve25519:X": "a" } })],
    [
      "a key that is cut off",
      (keys) => ({ ...keys, keys: { ...(keys["keys"] as JsonObject), "curve25519:PHONE": "AAAA" } }),
    ],
    ["no algorithms", (keys) => without(keys, "algorithms")],
    ["algorithms that are none", (keys) => ({ ...keys, algorithms: "m.olm" })],
  ])("that signs %s is rejected", (_name, alter) => {
    const ours = makeOurs();
    const alice = makePerson(ALICE);
    makeDevice(alice, "PHONE", { alter });
    show(ours, alice);
    expect(devicesOf(ours, ALICE)).toEqual([]);
    expect(ours.notices).toMatchObject([{ kind: "device-rejected", userId: ALICE, deviceId: "PHONE" }]);
  });

  it.each<[string, (keys: JsonObject) => unknown]>([
    ["was altered after it was signed", (keys) => ({ ...keys, algorithms: [] })],
    ["has no signature", (keys) => ({ ...keys, signatures: {} })],
    [
      "has only its owner's signature",
      (keys) => ({
        ...keys,
        signatures: {
          [ALICE]: without((keys["signatures"] as JsonObject)[ALICE] as JsonObject, "ed25519:PHONE"),
        },
      }),
    ],
    ["is a string", () => "keys"],
    ["is null", () => null],
  ])("that %s is rejected", (_name, alter) => {
    const ours = makeOurs();
    const alice = makePerson(ALICE);
    const { deviceKeys } = makeDevice(alice, "PHONE");
    alice.devices.set("PHONE", alter(deviceKeys) as JsonObject);
    show(ours, alice);
    expect(devicesOf(ours, ALICE)).toEqual([]);
    expect(ours.notices).toMatchObject([{ kind: "device-rejected" }]);
  });

  it("under another ID than its own, or under another user, is rejected", () => {
    const ours = makeOurs();
    const [alice, eve] = [makePerson(ALICE), makePerson("@eve:example.org")];
    const { deviceKeys } = makeDevice(alice, "PHONE");
    alice.devices.set("OTHER", deviceKeys);
    eve.devices.set("PHONE", deviceKeys);
    show(ours, alice, eve);
    expect(devicesOf(ours, ALICE).map(({ device }) => device.deviceId)).toEqual(["PHONE"]);
    expect(devicesOf(ours, eve.userId)).toEqual([]);
  });

  it("keeps its first keys: others under its ID are refused, also after it was gone", () => {
    const ours = makeOurs();
    const alice = makePerson(ALICE);
    const first = makeDevice(alice, "PHONE");
    show(ours, alice);
    makeDevice(alice, "PHONE");
    show(ours, alice);
    expect(ours.notices).toEqual([{ kind: "device-keys-changed", userId: ALICE, deviceId: "PHONE" }]);
    expect(devicesOf(ours, ALICE)[0]?.device.ed25519).toBe(first.account.ed25519);
    alice.devices.clear();
    show(ours, alice);
    expect(devicesOf(ours, ALICE)).toEqual([]);
    makeDevice(alice, "PHONE");
    show(ours, alice);
    expect(devicesOf(ours, ALICE)).toEqual([]);
    makeDevice(alice, "PHONE", { account: first.account });
    show(ours, alice);
    expect(devicesOf(ours, ALICE)).toHaveLength(1);
  });

  it("named like a cross-signing key of its user is rejected (CVE-2022-39250)", () => {
    const ours = makeOurs();
    const alice = makePerson(ALICE);
    for (const key of [alice.master, alice.selfSigning]) makeDevice(alice, publicKey(key));
    show(ours, alice);
    expect(devicesOf(ours, ALICE)).toEqual([]);
  });

  it("with a self-signature of somebody else's key is not cross-signed", () => {
    const ours = makeOurs();
    const [alice, eve] = [makePerson(ALICE), makePerson(ALICE)];
    const { deviceKeys } = makeDevice(alice, "PHONE", { crossSigned: false });
    const forged = signJson(deviceKeys, ALICE, keyId(alice.selfSigning), eve.selfSigning);
    alice.devices.set("PHONE", forged);
    show(ours, alice);
    expect(devicesOf(ours, ALICE)).toMatchObject([{ trust: { crossSigned: false } }]);
  });

  it("named __proto__ is a device like any other", () => {
    const ours = makeOurs();
    const alice = makePerson(ALICE);
    makeDevice(alice, "__proto__");
    show(ours, alice);
    expect(devicesOf(ours, ALICE).map(({ device }) => device.deviceId)).toEqual(["__proto__"]);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it("counts only within a bound", () => {
    const ours = makeOurs();
    const alice = makePerson(ALICE);
    for (let i = 0; i < 1_005; i += 1) alice.devices.set(`D${i}`, {});
    show(ours, alice);
    expect(ours.notices).toHaveLength(1_000);
  });

  it("of a user who was not asked for is not looked at", () => {
    const ours = makeOurs();
    const alice = makePerson(ALICE);
    makeDevice(alice, "PHONE");
    ours.answerAll("keys-query", () => queryAnswer(makePerson(ours.config.userId), alice));
    expect(devicesOf(ours, ALICE)).toEqual([]);
  });
});

describe("our own device", () => {
  it("that the server shows with other keys is an alarm", () => {
    const ours = makeOurs();
    const me = makePerson(ours.config.userId);
    makeDevice(me, ours.config.deviceId);
    show(ours, me);
    expect(ours.notices).toEqual([{ kind: "own-device-replaced" }]);
  });

  it("whose keys another device shows is an alarm: a copied store", () => {
    const ours = makeOurs();
    const row = ours.store.get("account", "", "");
    const account = new OlmAccount(nodeProvider, row!.account);
    const [me, eve] = [makePerson(ours.config.userId), makePerson("@eve:example.org")];
    makeDevice(me, "COPY", { account });
    makeDevice(eve, "EVE", { account });
    show(ours, me, eve);
    expect(ours.notices.map(({ kind }) => kind)).toEqual(["device-cloned", "device-cloned"]);
    expect([...devicesOf(ours, me.userId), ...devicesOf(ours, eve.userId)]).toEqual([]);
  });
});

describe("an identity", () => {
  it.each<[string, (alice: Person) => void]>([
    [
      "of another user",
      (alice) => {
        alice.keys.master = crossSigningKey("@eve:example.org", "master", alice.master);
      },
    ],
    [
      "for another usage",
      (alice) => {
        alice.keys.master = crossSigningKey(ALICE, "self_signing", alice.master);
      },
    ],
    [
      "with two keys",
      (alice) => {
        alice.keys.master = {
          ...alice.keys.master,
          keys: { [keyId(alice.master)]: alice.masterKey, "ed25519:x": alice.masterKey },
        };
      },
    ],
    [
      "under another name",
      (alice) => {
        alice.keys.master = { ...alice.keys.master, keys: { "ed25519:PHONE": alice.masterKey } };
      },
    ],
    [
      "whose self-signing key its master key did not sign",
      (alice) => {
        alice.keys.selfSigning = crossSigningKey(ALICE, "self_signing", alice.selfSigning);
      },
    ],
    [
      "that is a list",
      (alice) => {
        alice.keys.master = [] as unknown as JsonObject;
      },
    ],
  ])("%s is rejected as a whole", (_name, alter) => {
    const ours = makeOurs();
    const alice = makePerson(ALICE);
    makeDevice(alice, "PHONE");
    alter(alice);
    show(ours, alice);
    expect(ours.notices).toMatchObject([{ kind: "identity-rejected", userId: ALICE }]);
    expect(statusOf(ours, ALICE)).toBe("none");
    expect(devicesOf(ours, ALICE)).toMatchObject([{ trust: { crossSigned: false } }]);
  });

  it("of our own is not verified because the server shows it (GHSA-4qg4-cvh2-crgg)", () => {
    const { ours, me } = withIdentity(false);
    const alice = makePerson(ALICE);
    vouch(me, alice);
    show(ours, me, alice);
    expect([statusOf(ours, me.userId), statusOf(ours, ALICE)]).toEqual(["pinned", "pinned"]);
    ours.in((calls) => calls.confirmOwnIdentity(me.masterKey));
    expect([statusOf(ours, me.userId), statusOf(ours, ALICE)]).toEqual(["verified", "verified"]);
  });

  it("is verified where the configuration pins its master key", () => {
    const alice = makePerson(ALICE);
    const ours = makeOurs({ trustedMasters: new Map([[ALICE, alice.masterKey]]) });
    makeDevice(alice, "PHONE");
    show(ours, alice);
    expect(devicesOf(ours, ALICE)).toMatchObject([{ trust: { crossSigned: true, verified: true } }]);
    show(ours, makePerson(ALICE));
    expect(statusOf(ours, ALICE)).toBe("violation");
  });

  it("that changes before it was verified is pinned no more, until it is acknowledged", () => {
    const ours = makeOurs();
    show(ours, makePerson(ALICE));
    const other = makePerson(ALICE);
    makeDevice(other, "PHONE");
    show(ours, other);
    expect(ours.notices).toEqual([{ kind: "identity-changed", userId: ALICE, wasVerified: false }]);
    expect(devicesOf(ours, ALICE)).toMatchObject([{ trust: { crossSigned: true, identity: "changed" } }]);
    ours.in((calls) => calls.acknowledgeIdentity(ALICE));
    expect(statusOf(ours, ALICE)).toBe("pinned");
  });

  it("that was verified and changes is a violation, until it is acknowledged or verified anew (CVE-2024-52813)", () => {
    const { ours, me } = withIdentity();
    const [alice, other] = [makePerson(ALICE), makePerson(ALICE)];
    vouch(me, alice);
    show(ours, me, alice);
    show(ours, me, other);
    expect(ours.notices).toEqual([{ kind: "identity-changed", userId: ALICE, wasVerified: true }]);
    expect(statusOf(ours, ALICE)).toBe("violation");
    vouch(me, other);
    show(ours, me, other);
    expect(statusOf(ours, ALICE)).toBe("verified");
  });

  it("of our own that changes takes its word for others with it", () => {
    const { ours, me } = withIdentity();
    const alice = makePerson(ALICE);
    vouch(me, alice);
    show(ours, me, alice);
    show(ours, makePerson(me.userId), alice);
    expect(statusOf(ours, me.userId)).toBe("violation");
    expect(statusOf(ours, ALICE)).not.toBe("verified");
    expect(() => ours.in((calls) => calls.confirmOwnIdentity(me.masterKey))).toThrow(
      expect.objectContaining({ code: "IDENTITY_CHANGED" }),
    );
  });

  it("is not forgotten because the server leaves it out", () => {
    const ours = makeOurs();
    const alice = makePerson(ALICE);
    makeDevice(alice, "PHONE");
    show(ours, alice);
    alice.keys = {};
    show(ours, alice);
    expect(devicesOf(ours, ALICE)).toMatchObject([{ trust: { crossSigned: true, identity: "pinned" } }]);
  });

  it("with a new self-signing key leaves devices that only the old one signed uncrossed", () => {
    const ours = makeOurs();
    const alice = makePerson(ALICE);
    makeDevice(alice, "PHONE");
    show(ours, alice);
    const fresh = nodeProvider.generateEd25519();
    alice.keys.selfSigning = signJson(
      crossSigningKey(ALICE, "self_signing", fresh),
      ALICE,
      keyId(alice.master),
      alice.master,
    );
    show(ours, alice);
    expect(devicesOf(ours, ALICE)).toMatchObject([{ trust: { crossSigned: false } }]);
  });
});
