// Each endpoint that the agent uses, against the loopback homeserver's three profiles.
import { describe, expect, it } from "vitest";
import {
  edit,
  inThread,
  notice,
  reaction,
  relationOf,
  reply,
  withMentions,
} from "#agent/matrix/relations.ts";
import { isAlreadyDone } from "#agent/matrix/retry.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import { failureOf, openRig, PROFILES, pairInARoom } from "./support.ts";

describe.each(PROFILES)("on %s", (profile) => {
  it("makes a room, with levels for events of our own beside the server's usual ones", async () => {
    const { rig, operator } = await pairInARoom({ profile });
    const roomId = await rig.client.createRoom({
      name: "site",
      topic: "t",
      alias: "site",
      invite: [operator.userId],
      powerLevelEvents: { "dev.petrel.status": 0 },
    });
    expect((await rig.client.getState(roomId, "m.room.name", ""))?.["name"]).toBe("site");
    const resolved = await rig.client.resolveAlias("#site:localhost");
    expect(resolved.roomId).toBe(roomId);
    const power = await rig.client.powerLevels(roomId);
    expect(power.eventLevel("dev.petrel.status", true)).toBe(0);
    expect(power.eventLevel("m.room.power_levels", true)).toBe(100);
    expect(power.userLevel(operator.userId)).toBe(0);
    expect(power.userLevel(rig.client.userId)).toBeGreaterThanOrEqual(100);
  });

  it.each(["10", "11", "12"])("knows who stands above whom in a room of version %s", async (roomVersion) => {
    const { rig, operator } = await pairInARoom({ profile });
    const roomId = await rig.client.createRoom({ roomVersion, powerLevelEvents: {} });
    const power = await rig.client.powerLevels(roomId);
    expect(power.userLevel(rig.client.userId)).toBe(roomVersion === "12" ? Number.POSITIVE_INFINITY : 100);
    expect(power.userLevel(operator.userId)).toBe(0);
    expect(power.eventLevel("anything", false)).toBe(0);
    expect(power.eventLevel("anything", true)).toBe(50);
  });

  it("makes an encrypted room", async () => {
    const { rig } = await pairInARoom({ profile });
    const roomId = await rig.client.createRoom({ encrypted: true });
    expect(await rig.client.getState(roomId, "m.room.encryption", "")).toMatchObject({
      algorithm: "m.megolm.v1.aes-sha2",
    });
  });

  it("sends once, however often the same transaction is tried", async () => {
    const { rig, roomId, server } = await pairInARoom({ profile });
    const send = (): Promise<string> => rig.client.send(roomId, "dev.petrel.test", "txn1", { n: 1 });
    server.fault({ kind: "answer-lost", match: { path: /\/send\// } });
    const error = await failureOf(send());
    expect(error).toMatchObject({ kind: "network", inDoubt: true });
    expect(await send()).toBe(await send());
    expect(server.events(roomId).filter(({ type }) => type === "dev.petrel.test")).toHaveLength(1);
  });

  it("does not make a second room when the answer is lost: it says that this is in doubt", async () => {
    const { rig, server } = await pairInARoom({ profile });
    const before = server.world.rooms.size;
    server.fault({ kind: "answer-lost", match: { path: /\/createRoom$/ } });
    expect(await failureOf(rig.client.createRoom({}))).toMatchObject({ kind: "network", inDoubt: true });
    expect(server.world.rooms.size).toBe(before + 1);
  });

  it("sets and reads state; what is not there is null", async () => {
    const { rig } = await pairInARoom({ profile });
    const roomId = await rig.client.createRoom({});
    await rig.client.sendState(roomId, "dev.petrel.status", "a/b ü", { v: 1 });
    expect(await rig.client.getState(roomId, "dev.petrel.status", "a/b ü")).toEqual({ v: 1 });
    expect(await rig.client.getState(roomId, "dev.petrel.status", "other")).toBeNull();
  });

  it("joins by ID and by alias, lists its rooms and their members, leaves", async () => {
    const { rig, other } = await pairInARoom({ profile });
    const roomId = await other.client.createRoom({ preset: "public_chat", alias: "#open:localhost" });
    expect(await rig.client.join("#open:localhost", ["localhost"])).toBe(roomId);
    expect(await rig.client.joinedRooms()).toContain(roomId);
    expect([...(await rig.client.joinedMembers(roomId))].sort()).toEqual(
      [rig.client.userId, other.client.userId].sort(),
    );
    await rig.client.leave(roomId);
    expect(await rig.client.joinedRooms()).not.toContain(roomId);
  });

  it("invites, and says why it may not join what is unknown", async () => {
    const { rig, other, operator } = await pairInARoom({ profile });
    const roomId = await rig.client.createRoom({});
    await rig.client.invite(roomId, operator.userId);
    expect(await other.client.join(roomId)).toBe(roomId);
    const error = await failureOf(rig.client.resolveAlias("#nowhere:localhost"));
    expect(error).toMatchObject({ kind: "refused", status: 404, errcode: "M_NOT_FOUND" });
  });

  it("reads one event, and pages through the room's history", async () => {
    const { rig, roomId, sayMany } = await pairInARoom({ profile });
    const said = sayMany(7);
    expect(await rig.client.getEvent(roomId, said[3] ?? "")).toMatchObject({ eventId: said[3], roomId });
    expect(await rig.client.getEvent(roomId, "$nothing")).toBeNull();
    const page = await rig.client.messages(roomId, { direction: "b", limit: 5 });
    expect(page.events.map(({ eventId }) => eventId)).toEqual(said.slice(-5).toReversed());
    const next = await rig.client.messages(roomId, { direction: "b", limit: 5, from: page.end ?? "" });
    expect(next.events.slice(0, 2).map(({ eventId }) => eventId)).toEqual(said.slice(0, 2).toReversed());
  });

  it("edits, reacts, threads, replies, mentions, redacts and tells that it has read", async () => {
    const { rig, roomId, say, operator, server } = await pairInARoom({ profile });
    const { client } = rig;
    const command = await say("!petrel status");
    const message = (txn: string, content: JsonObject): Promise<string> =>
      client.send(roomId, "m.room.message", txn, content);
    await client.receipt(roomId, command);
    const card = await message("c1", notice("state: up"));
    const edited = await message("c2", edit(notice("state: down"), card));
    const inTheThread = await message("c3", inThread(notice("in a thread"), card, edited));
    await message("c4", withMentions(reply(notice("answer"), command), [operator.userId]));
    await client.send(roomId, "m.reaction", "c5", reaction(command, "✅"));
    await client.redact(roomId, edited, "c6", "no longer true");
    const event = await client.getEvent(roomId, inTheThread);
    expect(relationOf(event?.content ?? {})).toEqual({ type: "m.thread", eventId: card, inReplyTo: edited });
    expect(server.events(roomId).filter(({ type }) => type === "m.room.redaction")).toHaveLength(1);
  });

  it("takes the refusal of a second equal reaction as done", async () => {
    const { rig, roomId, say } = await pairInARoom({ profile });
    const command = await say("hello");
    await rig.client.send(roomId, "m.reaction", "r1", reaction(command, "👍"));
    const second = rig.client.send(roomId, "m.reaction", "r2", reaction(command, "👍"));
    if (profile === "synapse") expect(isAlreadyDone(await failureOf(second))).toBe(true);
    else expect(await second).toMatch(/^\$/);
  });

  it("asks for capabilities and versions", async () => {
    const { rig } = await pairInARoom({ profile });
    expect(await rig.client.capabilities()).toHaveProperty(["m.room_versions"]);
    const { versions, unstable } = await rig.client.versions();
    expect(versions).toContain("v1.1");
    expect(unstable["org.matrix.msc4140"] === true).toBe(profile === "synapse");
  });

  it("refuses an event here that the server would refuse, with the place, and sends nothing", async () => {
    const { rig, roomId, server } = await pairInARoom({ profile });
    const before = server.countRequests();
    const error = await failureOf(rig.client.send(roomId, "t", "x", { readings: [{ v: 21.5 }] }));
    expect(error).toMatchObject({ kind: "local" });
    expect(error.message).toContain("content.readings[0].v: expected an integer, got 21.5");
    expect(server.countRequests()).toBe(before);
  });

  it("rejects at once with kind aborted once it is stopping", async () => {
    const { rig, roomId, server } = await pairInARoom({ profile });
    server.fault({ kind: "stall", match: { path: /\/send\// } });
    const call = failureOf(rig.client.send(roomId, "t", "x", {}));
    setTimeout(() => rig.stop.abort(), 20);
    expect((await call).kind).toBe("aborted");
    expect((await failureOf(rig.client.whoami())).kind).toBe("aborted");
  });

  it("says of an unknown room what the server says", async () => {
    const { rig } = await pairInARoom({ profile });
    const error = await failureOf(rig.client.send("!nowhere:localhost", "t", "x", {}));
    expect(error.kind).toBe(profile === "conduit" ? "unavailable" : "refused");
    expect(error.message).toContain("/rooms/!nowhere%3Alocalhost/send");
  });
});

describe("a body of null", () => {
  it("with status 500 (Dendrite, after leaving) is an error and no crash", async () => {
    const { rig, roomId } = await pairInARoom({ profile: "dendrite" });
    await rig.client.leave(roomId);
    const error = await failureOf(rig.client.messages(roomId, { direction: "b", limit: 5 }));
    expect(error).toMatchObject({ kind: "unavailable", status: 500 });
  });
});

describe("the agent of another user", () => {
  it("may not use what it has no level for, and is told so", async () => {
    const { rig, roomId, server, device } = await pairInARoom();
    const again = await openRig(server.url, device, { store: rig.store });
    const error = await failureOf(again.client.sendState(roomId, "m.room.name", "", { name: "mine" }));
    expect(error).toMatchObject({ kind: "refused", status: 403, errcode: "M_FORBIDDEN" });
  });
});
