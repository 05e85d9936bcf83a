// The sender against the habits and faults of servers: what is in doubt stays in doubt until it was looked for, and no room holds up another.
import { describe, expect, it } from "vitest";
import type { OutboxRow } from "#agent/delivery/outbox.ts";
import { beginSearch, findInRoom } from "#agent/delivery/search.ts";
import type { MessagesPage, RoomEvent } from "#agent/matrix/types.ts";
import { openPost, type Post } from "./support.ts";

const PUT = { method: "PUT", path: /\/send\/test\// };
const MESSAGES = { method: "GET", path: /\/messages/ };

/** An event is in the room, its answer was lost, and the server has forgotten its transaction ID. */
const inDoubt = async (post: Post): Promise<string> => {
  const roomId = await post.room();
  await post.put({ roomId, content: { n: 0 } });
  post.sender.wake();
  await post.emptied();
  const lost = post.server.fault({ kind: "answer-lost", match: PUT });
  await post.put({ roomId, content: { n: 1 } });
  post.sender.wake();
  await post.server.waitUntil(() => lost.hits() === 1);
  await post.server.restart();
  return roomId;
};

describe("an attempt in doubt stays in doubt", () => {
  it.each([
    ["is rate-limited", { kind: "limited", retryAfterMs: 1000 }],
    ["is refused", { kind: "status", status: 403, body: { errcode: "M_FORBIDDEN", error: "no" } }],
    ["is not understood", { kind: "status", status: 400, body: { errcode: "M_BAD_JSON", error: "no" } }],
    ["meets a broken server", { kind: "status", status: 500, body: { errcode: "M_UNKNOWN", error: "no" } }],
    ["meets a proxy's page", { kind: "html", status: 502 }],
    ["gets half an answer", { kind: "cut" }],
  ] as const)("when the look for it %s", async (_what, fault) => {
    const post = await openPost("dendrite");
    const hit = post.server.fault({ ...fault, match: MESSAGES });
    const roomId = await inDoubt(post);
    await post.server.waitUntil(() => hit.hits() === 1);
    const held = setInterval(() => post.sender.retryNow(), 20);
    await post.emptied().finally(() => clearInterval(held));
    expect(post.numbers(roomId)).toEqual([0, 1]);
    expect(post.sender.stats()).toMatchObject({ found: 1, attempts: 2 });
  });
});

describe("a search in the room", () => {
  it("goes on where a rate limit interrupted it", async () => {
    const post = await openPost("dendrite");
    const roomId = await post.room();
    const lost = post.server.fault({ kind: "answer-lost", match: PUT });
    post.server.fault({ kind: "limited", retryAfterMs: 100, match: MESSAGES, skip: 5 });
    await post.put({ roomId, content: { n: 1 } });
    const other = await post.server.addUser("other");
    const more = { roomId, sender: other.userId, type: "noise", content: {} };
    post.sender.wake();
    await post.server.waitUntil(() => lost.hits() === 1);
    for (let index = 0; index < 950; index += 1) post.server.inject(more);
    await post.emptied();
    expect(post.numbers(roomId)).toEqual([1]);
    expect(post.server.countRequests(MESSAGES)).toBeLessThanOrEqual(11);
  });

  const row = { roomId: "!r", txnId: "t1", afterEvent: "$before", cipher: null } as OutboxRow;
  const event = (eventId: string, sender: string, txn: string): RoomEvent => ({
    eventId,
    roomId: "!r",
    type: "test",
    sender,
    originServerTs: 0,
    content: { "dev.petrel.txn": txn },
    unsigned: {},
  });
  const pages = (list: readonly (readonly RoomEvent[])[], last: string | null = null) => {
    let asked = 0;
    const messages = (): Promise<MessagesPage> => {
      const events = list[asked] ?? [];
      asked += 1;
      return Promise.resolve({ events, start: "", end: asked < list.length ? `p${asked}` : last });
    };
    return { client: { userId: "@us", messages }, asked: () => asked };
  };

  it("takes an empty page for what it is: the server left its events out, the room goes on", async () => {
    const { client } = pages([[], [], [event("$x", "@us", "t1")]]);
    expect(await findInRoom(client, row, beginSearch())).toBe("$x");
  });

  it("ends at the end of the room, at a position that stands still, and at what was there before", async () => {
    expect(await findInRoom(pages([[]]).client, row, beginSearch())).toBeNull();
    const still = { userId: "@us", messages: () => Promise.resolve({ events: [], start: "", end: "same" }) };
    expect(await findInRoom(still, row, beginSearch())).toBeNull();
    const before = pages([[event("$before", "@us", "t0")], [event("$x", "@us", "t1")]]);
    expect(await findInRoom(before.client, row, beginSearch())).toBeNull();
    expect(before.asked()).toBe(1);
  });

  it("finds an encrypted one by its own ciphertext, and by nothing else", async () => {
    const cipher = (eventId: string, ciphertext: string): RoomEvent => ({
      ...event(eventId, "@us", "t1"),
      content: { session_id: "s", ciphertext },
    });
    const encrypted = { ...row, cipher: { session_id: "s", ciphertext: "AwgB" } };
    const list = [[cipher("$other", "AwgC"), event("$clear", "@us", "t1"), cipher("$x", "AwgB")]];
    expect(await findInRoom(pages(list).client, encrypted, beginSearch())).toBe("$x");
  });

  it("takes nobody else's event for ours, and gives up in a room without end", async () => {
    expect(await findInRoom(pages([[event("$x", "@them", "t1")]]).client, row, beginSearch())).toBeNull();
    const endless = pages(Array.from({ length: 500 }, () => [event("$n", "@them", "")]));
    expect(await findInRoom(endless.client, row, beginSearch())).toBeNull();
    expect(endless.asked()).toBe(50);
  });
});

describe("the sender", () => {
  it("buries nothing because of a network's login page", async () => {
    const post = await openPost();
    const roomId = await post.room();
    const portal = post.server.fault({ kind: "status", status: 302, body: {}, match: PUT, times: 2 });
    for (const n of [1, 2, 3]) await post.put({ roomId, content: { n } });
    post.sender.wake();
    await post.emptied();
    expect(portal.hits()).toBe(2);
    expect(post.numbers(roomId)).toEqual([1, 2, 3]);
    expect(post.links).toContain(false);
  });

  it("lets a room for which the server always fails hold up no other room", async () => {
    const post = await openPost();
    const [broken, sound] = [await post.room(), await post.room()];
    const path = new RegExp(`${encodeURIComponent(broken)}/send`);
    const body = { errcode: "M_UNKNOWN", error: "Internal server error" };
    post.server.fault({ kind: "status", status: 500, body, match: { path }, times: 1000 });
    await post.put({ roomId: broken, content: { n: 0 } });
    for (const n of [1, 2, 3]) await post.put({ roomId: sound, content: { n } });
    await post.put({ roomId: sound, lane: "alarm", content: { n: 4 } });
    post.sender.wake();
    await post.server.waitUntil(() => post.numbers(sound).length === 4);
    expect(post.numbers(sound).toSorted()).toEqual([1, 2, 3, 4]);
    expect(post.links).not.toContain(false);
    await post.server.waitUntil(() => post.waiting() === 1);
  });

  it("does not send what a newer one replaced between the look at it and its turn", async () => {
    const post = await openPost();
    const roomId = await post.room();
    const card = { roomId, lane: "state", mergeKey: "card", reference: "card" } as const;
    await post.put({ ...card, content: { n: "old" } });
    const replaced = post.put({ ...card, content: { n: "new" } });
    post.sender.wake();
    await replaced;
    post.sender.wake();
    await post.emptied();
    expect(post.numbers(roomId)).toEqual(["new"]);
  });

  it("says that it cannot go on when the store is gone, and throws at nobody", async () => {
    const post = await openPost();
    await post.put({ roomId: await post.room() });
    await post.store.close();
    post.sender.wake();
    expect(post.fatal).toHaveLength(1);
    await post.sender.stop();
  });

  it("sets aside what no event may hold, and goes on behind it", async () => {
    const post = await openPost();
    const roomId = await post.room();
    await post.put({ roomId, content: { n: 1.5 } });
    await post.put({ roomId, content: { n: "x".repeat(70_000) } });
    await post.put({ roomId, content: { n: 3 } });
    post.sender.wake();
    await post.emptied();
    expect(post.numbers(roomId)).toEqual([3]);
    expect(post.lines.filter(({ message }) => message.includes("set aside"))).toHaveLength(2);
  });
});
