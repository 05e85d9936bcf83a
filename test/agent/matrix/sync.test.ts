// The sync loop against the loopback homeserver, on all three profiles: what arrives, how it is marked, and that the position survives.
import { describe, expect, it } from "vitest";
import type { SyncConsumer } from "#agent/matrix/types.ts";
import type { Store } from "#agent/store/store.ts";
import {
  countsOf,
  eventually,
  onceEach,
  openRig,
  type Pair,
  PROFILES,
  pairInARoom,
  type Running,
  receivedIn,
  runSync,
} from "./support.ts";

const SYNC = /\/sync$/;

const provenanceOf = (running: Running, eventId: string): readonly string[] =>
  running
    .received()
    .filter((entry) => entry.eventId === eventId)
    .map(({ provenance }) => provenance);

const arrived = (running: Running, eventId: string) => (): boolean =>
  running.received().some((entry) => entry.eventId === eventId);

/** Runs the sync until the first batch is there, ends it, and gives the store. */
const afterFirstSync = async ({ rig, say }: Pair): Promise<Store> => {
  const known = await say("known");
  const running = runSync(rig);
  await running.until(arrived(running, known));
  await running.end();
  return rig.store;
};

const damage = (store: Store, column: "next_batch" | "filter_id", value: string): Promise<unknown> =>
  store.transaction((database) => database.prepare(`UPDATE matrix_sync SET ${column} = ?`).run(value));

describe.each(PROFILES)("on %s", (profile) => {
  it("hands on what was said before as initial and what is said now as live, each once", async () => {
    const { rig, say } = await pairInARoom({ profile });
    const before = await say("before");
    const running = runSync(rig);
    await running.until(() => running.batches.length > 0);
    const after = await say("after");
    await running.until(arrived(running, after));
    expect(provenanceOf(running, before)).toEqual(["initial"]);
    expect(provenanceOf(running, after)).toEqual(["live"]);
    expect(running.batches[0]?.initial).toBe(true);
    await running.end();
  });

  it("goes on after a restart where it was: nothing twice, nothing missing", async () => {
    const pair = await pairInARoom({ profile });
    const store = await afterFirstSync(pair);
    const meanwhile = [await pair.say("one"), await pair.say("two")];
    const running = runSync(await openRig(pair.server.url, pair.device, { store }));
    await running.until(arrived(running, meanwhile[1] ?? ""));
    expect(countsOf(running.received(), meanwhile)).toEqual([1, 1]);
    expect(new Set(running.received().map(({ eventId }) => eventId)).size).toBe(running.received().length);
    expect(running.batches.some(({ initial }) => initial)).toBe(false);
    await running.end();
  });

  it("fills a gap in order, marked as a gap, the newest as live", async () => {
    const pair = await pairInARoom({ profile });
    const store = await afterFirstSync(pair);
    const missed = pair.sayMany(260);
    const running = runSync(await openRig(pair.server.url, pair.device, { store }));
    await running.until(arrived(running, missed.at(-1) ?? ""));
    const after = running.received().filter(({ eventId }) => missed.includes(eventId));
    expect(after.map(({ eventId }) => eventId)).toEqual(missed);
    expect(after[0]?.provenance).toBe("gap");
    expect(after.at(-1)?.provenance).toBe("live");
    expect(
      running.batches.flatMap((batch) => [...batch.joined.values()]).some((room) => room.truncated),
    ).toBe(false);
    await running.end();
  });

  it("survives a position that the server does not know: nothing twice, nothing missing", async () => {
    const pair = await pairInARoom({ profile });
    const store = await afterFirstSync(pair);
    const missed = pair.sayMany(120);
    await damage(store, "next_batch", "garbage");
    const running = runSync(await openRig(pair.server.url, pair.device, { store }));
    await running.until(arrived(running, missed.at(-1) ?? ""));
    expect(countsOf(running.received(), missed)).toEqual(onceEach(missed));
    expect(new Set(running.received().map(({ eventId }) => eventId)).size).toBe(running.received().length);
    expect(missed.every((eventId) => provenanceOf(running, eventId)[0] !== "initial")).toBe(true);
    const next = await pair.say("goes on");
    await running.until(arrived(running, next));
    await running.end();
  });

  it("fetches nothing from before what it knew when its position is not known", async () => {
    const pair = await pairInARoom({ profile });
    const history = pair.sayMany(400);
    const store = await afterFirstSync(pair);
    const before = receivedIn(store).length;
    const missed = pair.sayMany(80);
    await damage(store, "next_batch", "garbage");
    const running = runSync(await openRig(pair.server.url, pair.device, { store }));
    await running.until(arrived(running, missed.at(-1) ?? ""));
    expect(running.received().length).toBe(before + missed.length);
    expect(countsOf(running.received(), history.slice(0, 300))).toEqual(history.slice(0, 300).map(() => 0));
    await running.end();
  });

  it("marks as a gap what comes among events that it knew already", async () => {
    const pair = await pairInARoom({ profile });
    const store = await afterFirstSync(pair);
    const missed = pair.sayMany(3);
    await damage(store, "next_batch", "garbage");
    const running = runSync(await openRig(pair.server.url, pair.device, { store }));
    await running.until(arrived(running, missed.at(-1) ?? ""));
    expect(missed.map((eventId) => provenanceOf(running, eventId))).toEqual([["gap"], ["gap"], ["gap"]]);
    await running.end();
  });

  it("gets along with a server that has forgotten the filter", async () => {
    const pair = await pairInARoom({ profile });
    const store = await afterFirstSync(pair);
    await damage(store, "filter_id", "forgotten");
    const said = await pair.say("said");
    const running = runSync(await openRig(pair.server.url, pair.device, { store }));
    await running.until(arrived(running, said));
    expect(countsOf(running.received(), [said])).toEqual([1]);
    expect(running.batches.some(({ initial }) => initial)).toBe(false);
    await running.end();
  });

  it("tells of an invite, and of a room that was left", async () => {
    const { rig, other, device, roomId } = await pairInARoom({ profile });
    const running = runSync(rig);
    await running.until(() => running.batches.length > 0);
    const invitedTo = await other.client.createRoom({ name: "second", invite: [device.userId] });
    await running.until(() => running.batches.some(({ invited }) => invited.has(invitedTo)));
    await rig.client.leave(roomId);
    await running.until(() => running.batches.some(({ left }) => left.has(roomId)));
    await running.end();
  });

  it("marks what was said before we joined as initial, even live", async () => {
    const { server, rig, other, device } = await pairInARoom({ profile });
    const running = runSync(rig);
    await running.until(() => running.batches.length > 0);
    const room = await other.client.createRoom({ preset: "public_chat", invite: [device.userId] });
    const command = {
      roomId: room,
      sender: other.client.userId,
      type: "m.room.message",
      content: { body: "!go" },
    };
    const before = server.inject(command).eventId;
    await rig.client.join(room);
    const after = server.inject({ ...command, content: { body: "!now" } }).eventId;
    await running.until(arrived(running, after));
    expect(provenanceOf(running, before)).toEqual(["initial"]);
    expect(provenanceOf(running, after)).toEqual(["live"]);
    await running.end();
  });

  it("brings to-device messages once, in order", async () => {
    const { rig, other, device } = await pairInARoom({ profile });
    const running = runSync(rig);
    await running.until(() => running.batches.length > 0);
    const send = (n: number): Promise<void> =>
      other.client.sendToDevice("test.note", `note${n}`, { [device.userId]: { "*": { n } } });
    for (let n = 0; n < 5; n += 1) await send(n);
    const notes = () => running.batches.flatMap(({ toDevice }) => toDevice);
    await running.until(() => notes().length >= 5);
    expect(notes().map((note) => note["content"])).toEqual([0, 1, 2, 3, 4].map((n) => ({ n })));
    await running.end();
  });
});

describe("the loop", () => {
  it("ends at once on shutdown, though a long poll hangs", async () => {
    const { server, rig } = await pairInARoom();
    const running = runSync(rig);
    await running.until(() => running.batches.length > 0);
    await eventually(() => server.countRequests({ path: SYNC }) >= 2);
    const began = performance.now();
    await running.end();
    expect(performance.now() - began).toBeLessThan(500);
  });

  it("asks again at once when told that the network came back, though a poll hangs", async () => {
    const { server, rig, say } = await pairInARoom();
    const running = runSync(rig);
    await running.until(() => running.batches.length > 0);
    server.fault({ kind: "stall", match: { path: SYNC } });
    running.sync.poke();
    await eventually(() => server.requests({ path: SYNC }).some(({ fault }) => fault === "stall"));
    const said = await say("hello");
    const began = performance.now();
    running.sync.poke();
    await running.until(arrived(running, said));
    expect(performance.now() - began).toBeLessThan(1000);
    await running.end();
  });

  it("lets go of idle connections when the network came back: they may lead nowhere", async () => {
    const { rig } = await pairInARoom();
    let dropped = 0;
    const dropIdle = (): void => {
      dropped += 1;
    };
    const running = runSync({ ...rig, http: { ...rig.http, dropIdle } });
    await running.until(() => running.batches.length > 0);
    running.sync.poke();
    expect(dropped).toBe(1);
    await running.end();
  });

  it("never waits after an answer without news", async () => {
    const { server, rig, say } = await pairInARoom({ profile: "conduit" });
    const running = runSync(rig);
    await running.until(() => running.batches.length > 0);
    const said = await say("hello");
    await running.until(arrived(running, said));
    expect(running.states.filter(({ state }) => state === "offline")).toEqual([]);
    expect(server.requests({ path: SYNC }).every(({ status }) => status === 200 || status === null)).toBe(
      true,
    );
    await running.end();
  });

  it("stores the position with what it brought: a consumer that fails leaves both undone", async () => {
    const pair = await pairInARoom();
    const store = await afterFirstSync(pair);
    const said = await pair.say("lost?");
    const failing: SyncConsumer = {
      apply: (batch) => {
        if (batch.joined.size > 0) throw new Error("consumer failed");
      },
    };
    const first = runSync(await openRig(pair.server.url, pair.device, { store }), { consumers: [failing] });
    await expect(first.done).rejects.toThrow("consumer failed");
    expect(countsOf(receivedIn(store), [said])).toEqual([0]);
    const second = runSync(await openRig(pair.server.url, pair.device, { store }));
    await second.until(arrived(second, said));
    expect(countsOf(second.received(), [said])).toEqual([1]);
    await second.end();
  });

  it("asks with the next position only after the last one is durable", async () => {
    const { server, rig, say } = await pairInARoom();
    const asked = (): number => server.countRequests({ path: SYNC });
    const askedBeforeDurable: number[] = [];
    let durable = 0;
    const store: Store = {
      ...rig.store,
      durable: async () => {
        const before = asked();
        await rig.store.durable();
        await new Promise((resolve) => setTimeout(resolve, 20));
        askedBeforeDurable.push(asked() - before);
        durable += 1;
      },
    };
    const running = runSync({ ...rig, store });
    await running.until(() => running.batches.length > 0);
    const said = await say("hello");
    await running.until(arrived(running, said));
    expect(durable).toBeGreaterThan(1);
    expect(askedBeforeDurable.every((count) => count === 0)).toBe(true);
    await running.end();
  });

  it("uploads its filter once, and uses it after a restart", async () => {
    const pair = await pairInARoom();
    const store = await afterFirstSync(pair);
    const running = runSync(await openRig(pair.server.url, pair.device, { store }));
    await running.until(() => running.batches.length > 0);
    expect(pair.server.countRequests({ method: "POST", path: /\/filter$/ })).toBe(1);
    expect(pair.server.requests({ path: SYNC }).every(({ query }) => !query.includes("lazy_load"))).toBe(
      true,
    );
    await running.end();
  });

  it("begins anew for another device in the same store", async () => {
    const pair = await pairInARoom();
    const store = await afterFirstSync(pair);
    const session = { freshLogin: "new-device" } as const;
    const running = runSync(await openRig(pair.server.url, pair.device, { store, session }));
    await running.until(() => running.batches.length > 0);
    expect(running.batches[0]?.initial).toBe(true);
    expect(new Set(running.received().map(({ eventId }) => eventId)).size).toBe(running.received().length);
    await running.end();
  });
});
