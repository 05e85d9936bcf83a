// The scenarios of complement-crypto in which requests fail, are lost, or a process dies (README.md has the numbers): on the loopback homeserver, machines step by step.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signJson } from "#crypto/signed-json.ts";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { makeScene } from "../hostile/machines.ts";
import { inside, makeClient, secondDevice } from "../support/loopback.ts";
import { makeDevice, makePerson } from "../support/people.ts";
import { ROOM } from "../support/room.ts";
import { makeOurs } from "../support/world.ts";
import { enter, makeRoomOf, type Person } from "./person.ts";

const V3 = "/_matrix/client/v3";
const BROKEN = { kind: "status", status: 500, body: { errcode: "M_UNKNOWN", error: "no" } } as const;

let server: Homeserver;
let alice: Person;
let bob: Person;
beforeEach(async () => {
  server = await startHomeserver();
  alice = await enter(server, await server.addUser("alice"));
  bob = await enter(server, await server.addUser("bob"));
});
afterEach(() => server.stop());

/** Bob is in it. */
const roomOfBoth = async (): Promise<string> => {
  const room = await makeRoomOf(alice, [bob]);
  await bob.join(room);
  return room;
};
/** Until it succeeds: each try of a test is one of the agent's, later. */
const say = async (room: string, body: string, triesMax: number): Promise<number> => {
  for (let tries = 1; tries <= triesMax; tries += 1) {
    try {
      await alice.say(room, body);
      return tries;
    } catch (error) {
      // Not everybody has the key: it must not be encrypted yet.
      expect(error).toMatchObject({ code: "NOT_SHARED" });
      alice.client.ours.nowMs += 16_000;
    }
  }
  throw new Error(`not said in ${triesMax} tries`);
};
const toDevice = async (person: Person): Promise<string[]> => {
  const { toDevice: results } = await person.client.sync();
  return results.map((result) =>
    result.kind === "decrypted" ? String(result.message.content["n"]) : result.kind,
  );
};

describe("requests that fail", () => {
  it.each([
    ["8: /keys/query", /\/keys\/query/],
    ["10: /keys/claim", /\/keys\/claim/],
    ["11: /sendToDevice", /\/sendToDevice\//],
  ])(
    "%s fails three times: nothing is said before the key is with everybody, then it is read",
    async (_name, path) => {
      const room = await roomOfBoth();
      const fault = server.fault({ ...BROKEN, match: { path }, times: 3 });
      await say(room, "hello", 12);
      expect(fault.hits()).toBe(3);
      expect(await bob.read(room, 1)).toEqual(["hello"]);
    },
  );

  it("9: the upload of one-time keys fails three times, and the same keys are uploaded", async () => {
    const user = await server.addUser("carol");
    const fault = server.fault({ ...BROKEN, match: { path: /\/keys\/upload/ }, times: 3 });
    const carol = await enter(server, user);
    for (let i = 0; i < 5; i += 1) await carol.sync();
    expect(fault.hits()).toBe(3);
    const { body } = await carol.client.http("POST", `${V3}/keys/upload`, {});
    expect(inside(body, "one_time_key_counts")["signed_curve25519"]).toBe(50);
    expect(carol.client.ours.notices).toEqual([]);
  });

  it("13: a session that is there is used while the other's server gives no keys", async () => {
    const room = await roomOfBoth();
    await alice.say(room, "one");
    server.fault({ ...BROKEN, match: { path: /\/keys\/claim/ }, times: 1_000 });
    const other = await makeRoomOf(alice, [bob]);
    await bob.join(other);
    await alice.say(other, "in another room");
    expect(await bob.read(other, 1)).toEqual(["in another room"]);
  });
});

describe("messages to a device", () => {
  const send = async (n: number): Promise<void> => {
    const { ours } = alice.client;
    ours.in((calls) => calls.prepareSessions([bob.user.userId]));
    await alice.client.pump();
    ours.in((calls) => calls.sendToDevice(bob.user.userId, bob.user.deviceId, "dev.petrel.test", { n }));
  };
  beforeEach(async () => {
    alice.client.ours.in((calls) => calls.trackUsers([bob.user.userId]));
    await alice.client.pump();
  });

  it("25: 120 of them to as many devices leave in requests of a hundred at least", () => {
    const scene = makeScene();
    const many = makePerson("@many:example.org");
    scene.server.people.set(many.userId, many);
    for (let i = 0; i < 120; i += 1) {
      const { account } = makeDevice(many, `D${i}`);
      const [made] = account.generateOneTimeKeys(1).created;
      const { signingKey } = account.exportState();
      const key = signJson({ key: made?.key }, many.userId, `ed25519:D${i}`, signingKey);
      scene.server.oneTimeKeys.set(
        JSON.stringify([many.userId, `D${i}`]),
        new Map([["signed_curve25519:A", key]]),
      );
    }
    const ours = scene.alice;
    ours.in((calls) => calls.trackUsers([many.userId]));
    scene.server.settle();
    const share = () =>
      ours.in((calls) =>
        calls.shareRoomKey(ROOM, { members: [many.userId], strategy: "all", sharedHistory: false }),
      );
    for (let i = 0; i < 40 && share().claims > 0; i += 1)
      ours.answerAll("keys-claim", (request) => scene.server.handle(ours, request));
    share();
    const sizes = ours
      .requests("to-device")
      .map(({ body }) => Object.keys(inside(body, "messages", many.userId)).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(120);
    expect(Math.max(...sizes)).toBeGreaterThanOrEqual(100);
  });

  it("27: 120 of them are read in order", async () => {
    for (let n = 0; n < 120; n += 1) await send(n);
    await alice.client.pump();
    const read: string[] = [];
    for (let i = 0; i < 4; i += 1) read.push(...(await toDevice(bob)));
    expect(read).toEqual(Array.from({ length: 120 }, (_, n) => String(n)));
  });

  it("24: a process that dies between the answer of a sync and its transaction has lost none", async () => {
    await send(1);
    await alice.client.pump();
    // The answer came, and nothing of it was stored: the position is the old one.
    const answer = await bob.client.http("GET", `${V3}/sync?timeout=0`);
    expect(JSON.stringify(answer)).toContain("m.olm.v1");
    expect(await toDevice(bob.restarted())).toEqual(["1"]);
  });

  it("24: nor has one that took them and stored no position: they are not taken for broken when they come again", async () => {
    await send(1);
    await alice.client.pump();
    const dying = bob.restarted();
    expect(await toDevice(dying)).toEqual(["1"]);
    expect(await toDevice(dying.restarted())).toEqual(["repeated"]);
    expect(dying.client.ours.store.list("wedged", "")).toEqual([]);
  });

  it("26: one of a device that cannot be looked up is kept, and its device is known later", async () => {
    const room = await roomOfBoth();
    const laptop = await enter(server, await secondDevice(server, alice.user));
    const members = [alice.user.userId, bob.user.userId];
    laptop.client.ours.in((calls) => calls.trackUsers(members));
    await laptop.client.pump();
    const blocked = server.fault({ ...BROKEN, match: { path: /\/keys\/query/ }, times: 1_000 });
    await laptop.say(room, "from a new device");
    expect(await bob.read(room, 1)).toEqual(["from a new device"]);
    const deviceOf = (): string[] =>
      bob.client.ours.in((calls) => calls.devices(alice.user.userId)).map(({ device }) => device.deviceId);
    expect(deviceOf()).not.toContain(laptop.user.deviceId);
    blocked.remove();
    bob.client.ours.in((calls) => calls.trackUsers(members));
    bob.client.ours.nowMs += 3_600_000;
    await bob.sync();
    expect(deviceOf()).toContain(laptop.user.deviceId);
  });
});

describe("a process that dies before it hears of", () => {
  it.each(["answer-lost", "refused"] as const)(
    "28: its upload of keys (%s) uploads the same ones, and the server takes them",
    async (kind) => {
      const user = await server.addUser("carol");
      const dying = makeClient(server, user);
      const [first] = dying.ours.requests("keys-upload");
      server.fault({ kind, match: { path: /\/keys\/upload/ }, times: 1 });
      await expect(dying.pump()).rejects.toThrow();
      const next = makeClient(server, user, makeOurs(dying.ours.config, dying.ours.store));
      const sent = await next.pump();
      expect(sent.filter(({ kind: of }) => of === "keys-upload")[0]?.body).toEqual(first?.body);
      expect(next.ours.notices).toEqual([]);
      expect(next.ours.requests("keys-upload")).toEqual([]);
    },
  );

  it("a message to a device sends the same ciphertext again, which is taken once", async () => {
    const { ours } = alice.client;
    ours.in((calls) => calls.trackUsers([bob.user.userId]));
    await alice.client.pump();
    ours.in((calls) => calls.prepareSessions([bob.user.userId]));
    await alice.client.pump();
    ours.in((calls) => calls.sendToDevice(bob.user.userId, bob.user.deviceId, "dev.petrel.test", { n: 1 }));
    server.fault({ kind: "answer-lost", match: { path: /\/sendToDevice\// }, times: 1 });
    await expect(alice.client.pump()).rejects.toThrow();
    await alice.restarted().client.pump();
    const read = [...(await toDevice(bob)), ...(await toDevice(bob))];
    expect(read.filter((each) => each === "1")).toEqual(["1"]);
    expect(read.filter((each) => each !== "1" && each !== "repeated")).toEqual([]);
  });
});
