// The scenarios of complement-crypto that need no fault injection, on any homeserver (README.md has the numbers). One room and its people in each.
import { expect, it } from "vitest";
import { inside, secondDevice } from "../support/loopback.ts";
import { type AnyServer, enter, makeRoomOf, type Person } from "./person.ts";

const V3 = "/_matrix/client/v3";

let users = 0;

export const runScenarios = (serverOf: () => AnyServer): void => {
  const people = async (count: number): Promise<Person[]> => {
    users += 1;
    const server = serverOf();
    const made: Person[] = [];
    for (let i = 0; i < count; i += 1)
      made.push(await enter(server, await server.addUser(`scenario${users}p${i}`)));
    return made;
  };
  const pair = async (): Promise<{ alice: Person; bob: Person; room: string }> => {
    // `people(2)` gives two.
    const [alice, bob] = (await people(2)) as [Person, Person];
    return { alice, bob, room: await makeRoomOf(alice, [bob]) };
  };

  it("1: two people read each other", async () => {
    const { alice, bob, room } = await pair();
    await bob.join(room);
    await alice.say(room, "one");
    await bob.say(room, "two");
    expect(await bob.read(room, 2)).toEqual(["one", "two"]);
    expect(await alice.read(room, 2)).toEqual(["one", "two"]);
  });

  it("2, 6: who was invited reads after joining what was said meanwhile; a device made in between does not", async () => {
    const { alice, bob, room } = await pair();
    await alice.say(room, "before the other device");
    const late = await enter(serverOf(), await secondDevice(serverOf(), bob.user));
    await bob.join(room);
    await alice.say(room, "after");
    expect(await bob.read(room, 2)).toEqual(["before the other device", "after"]);
    expect(await late.read(room, 2)).toEqual(["[unknown-index]", "after"]);
  });

  it("3: who comes into a public room sees what was before, and cannot read it", async () => {
    // As above.
    const [alice, bob] = (await people(2)) as [Person, Person];
    const room = await makeRoomOf(alice, [], { open: true });
    await alice.say(room, "before");
    await bob.join(room);
    await alice.say(room, "after");
    expect(await bob.read(room, 2)).toEqual([expect.stringMatching(/^\[unknown/), "after"]);
  });

  it("4, 18: who was away cannot read what was said then, though they come back; the key is another one each time", async () => {
    // As above.
    const [alice, bob] = (await people(2)) as [Person, Person];
    const room = await makeRoomOf(alice, [], { open: true });
    await bob.join(room);
    const first = await alice.say(room, "one");
    expect(await bob.read(room, 1)).toEqual(["one"]);
    await bob.leave(room);
    const second = await alice.say(room, "away");
    await bob.join(room);
    await alice.say(room, "back");
    expect(second).not.toBe(first);
    const read = await bob.read(room, 3);
    expect(read[0]).toBe("one");
    expect(read).toContain("back");
    expect(read).not.toContain("away");
  });

  it("5, 15: a new device reads from then on, one that was logged out nothing any more", async () => {
    const { alice, bob, room } = await pair();
    await bob.join(room);
    const before = await alice.say(room, "one");
    const phone = await enter(serverOf(), await secondDevice(serverOf(), bob.user));
    await alice.say(room, "two");
    expect(await phone.read(room, 2)).toEqual(["[unknown-index]", "two"]);
    expect(await phone.client.http("POST", `${V3}/logout`, {})).toMatchObject({ ok: true });
    expect(await alice.say(room, "three")).not.toBe(before);
    expect(await bob.read(room, 3)).toEqual(["one", "two", "three"]);
  });

  it("14: without one-time keys left, two people begin with the same fallback key, which is replaced then", async () => {
    // As above, three.
    const [alice, bob, carol] = (await people(3)) as [Person, Person, Person];
    const asked = { one_time_keys: { [bob.user.userId]: { [bob.user.deviceId]: "signed_curve25519" } } };
    let given = 0;
    for (let fallback = false; !fallback && given < 120; given += 1) {
      const { body } = await alice.client.http("POST", `${V3}/keys/claim`, asked);
      const keys = inside(body, "one_time_keys", bob.user.userId, bob.user.deviceId);
      fallback = JSON.stringify(keys).includes('"fallback":true');
    }
    expect(given).toBeLessThan(120);
    const room = await makeRoomOf(alice, [bob, carol]);
    await bob.join(room);
    await carol.join(room);
    await alice.say(room, "of alice");
    await carol.say(room, "of carol");
    expect(await bob.read(room, 2)).toEqual(["of alice", "of carol"]);
    // What a sync says of used fallback keys is answered with a new one, and with one-time keys.
    expect(bob.client.ours.store.get("account", "", "")?.fallback).toMatchObject({ seenUnused: true });
    const { body } = await alice.client.http("POST", `${V3}/keys/claim`, asked);
    expect(JSON.stringify(inside(body, "one_time_keys", bob.user.userId, bob.user.deviceId))).not.toContain(
      "fallback",
    );
  });

  it("19, 20: a display name, another device and a restart change no key", async () => {
    const { alice, bob, room } = await pair();
    await bob.join(room);
    const before = await alice.say(room, "one");
    const path = `${V3}/profile/${encodeURIComponent(bob.user.userId)}/displayname`;
    expect(await bob.client.http("PUT", path, { displayname: "Bob" })).toMatchObject({ ok: true });
    expect(await alice.say(room, "two")).toBe(before);
    await enter(serverOf(), await secondDevice(serverOf(), bob.user));
    expect(await alice.say(room, "three")).toBe(before);
    expect(await alice.restarted().say(room, "four")).toBe(before);
    expect(await bob.read(room, 4)).toEqual(["one", "two", "three", "four"]);
  });

  it("33: a session that was answered is used on, over a restart of both", async () => {
    const { alice, bob, room } = await pair();
    await bob.join(room);
    await alice.say(room, "one");
    await bob.say(room, "two");
    expect(await alice.read(room, 2)).toEqual(["one", "two"]);
    const [later, other] = [alice.restarted(), bob.restarted()];
    later.client.ours.in((calls) => calls.invalidateRoomKey(room));
    await later.say(room, "three");
    expect((await other.read(room, 3)).at(-1)).toBe("three");
    expect(other.client.ours.notices).toEqual([]);
  });
};
