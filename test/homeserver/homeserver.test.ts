// The loopback homeserver's own knobs: what it does beyond the contract that test/contract states for it and for real servers alike.
import { afterEach, describe, expect, it } from "vitest";
import { at, call, isObject, list, readRoom, readType, text } from "#test/peers/http.ts";
import { type Homeserver, type HomeserverOptions, startHomeserver, type TestUser } from "./homeserver.ts";

const servers: Homeserver[] = [];
const start = async (options: HomeserverOptions = {}): Promise<Homeserver> => {
  const server = await startHomeserver(options);
  servers.push(server);
  return server;
};
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const roomOf = async (server: Homeserver, user: TestUser): Promise<string> => {
  const answer = await call(server.url, "POST", "/_matrix/client/v3/createRoom", {
    token: user.accessToken,
    body: {},
  });
  return text(answer.json, "room_id");
};

const sendPath = (roomId: string, txn: string, type = "m.room.message"): string =>
  `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/${type}/${txn}`;

const body = { msgtype: "m.text", body: "hello" };

describe("the loopback homeserver", () => {
  it("carries an event from a send to a long poll that waits", async () => {
    const server = await start();
    const user = await server.addUser("alice");
    const token = user.accessToken;
    const roomId = await roomOf(server, user);
    const first = await call(server.url, "GET", "/_matrix/client/v3/sync", { token });
    const since = text(first.json, "next_batch");
    const poll = call(server.url, "GET", "/_matrix/client/v3/sync", {
      token,
      query: { since, timeout: 10_000 },
    });
    const sent = await call(server.url, "PUT", sendPath(roomId, "t1"), { token, body });
    const timeline = list((await poll).json, "rooms", "join", roomId, "timeline", "events");
    expect(timeline.map((event) => text(event, "event_id"))).toEqual([text(sent.json, "event_id")]);
  });

  it("commits a send whose answer is lost, and deduplicates the retry", async () => {
    const server = await start();
    const user = await server.addUser("alice");
    const roomId = await roomOf(server, user);
    const fault = server.fault({ kind: "answer-lost", match: { method: "PUT", path: /\/send\// } });
    const send = () => call(server.url, "PUT", sendPath(roomId, "t1"), { token: user.accessToken, body });
    await expect(send()).rejects.toThrow();
    expect(fault.hits()).toBe(1);
    expect((await send()).status).toBe(200);
    expect(await readType(server.url, user.accessToken, roomId, "m.room.message")).toHaveLength(1);
  });

  it("limits with and without a Retry-After header", async () => {
    const server = await start();
    server.fault({ kind: "limited", retryAfterMs: 1500 });
    server.fault({ kind: "limited", retryAfterMs: 900, header: false, skip: 1 });
    const versions = () => call(server.url, "GET", "/_matrix/client/versions");
    const [withHeader, without, after] = [await versions(), await versions(), await versions()];
    expect([withHeader.status, withHeader.headers["retry-after"]]).toEqual([429, "2"]);
    expect([without.status, without.headers["retry-after"]]).toEqual([429, undefined]);
    expect(at(without.json, "retry_after_ms")).toBe(900);
    expect(after.status).toBe(200);
  });

  it("answers HTML, cuts bodies and refuses connections", async () => {
    const server = await start();
    const versions = () => call(server.url, "GET", "/_matrix/client/versions");
    server.fault({ kind: "html" });
    expect((await versions()).headers["content-type"]).toBe("text/html");
    server.fault({ kind: "cut" });
    await expect(versions()).rejects.toThrow();
    server.fault({ kind: "refused" });
    await expect(versions()).rejects.toThrow();
    server.fault({ kind: "status", status: 503, times: 2 });
    expect([(await versions()).status, (await versions()).status, (await versions()).status]).toEqual([
      503, 503, 200,
    ]);
  });

  it("repeats a sync on demand, and makes gaps", async () => {
    const server = await start();
    const user = await server.addUser("alice");
    const token = user.accessToken;
    const roomId = await roomOf(server, user);
    const sync = async (since: string) =>
      (await call(server.url, "GET", "/_matrix/client/v3/sync", { token, query: { since } })).json;
    const t0 = text((await call(server.url, "GET", "/_matrix/client/v3/sync", { token })).json, "next_batch");
    for (const txn of ["a", "b", "c"]) await call(server.url, "PUT", sendPath(roomId, txn), { token, body });
    server.fault({ kind: "gap", limit: 1, match: { path: /sync/ } });
    const gap = await sync(t0);
    expect(at(gap, "rooms", "join", roomId, "timeline", "limited")).toBe(true);
    expect(list(gap, "rooms", "join", roomId, "timeline", "events")).toHaveLength(1);
    server.fault({ kind: "duplicate-sync", match: { path: /sync/ } });
    const again = await sync(text(gap, "next_batch"));
    expect(list(again, "rooms", "join", roomId, "timeline", "events")).toHaveLength(3);
  });

  it("keeps its data and its port over a restart", async () => {
    const server = await start();
    const user = await server.addUser("alice");
    const roomId = await roomOf(server, user);
    await call(server.url, "PUT", sendPath(roomId, "t1"), { token: user.accessToken, body });
    await server.restart();
    const events = await readRoom(server.url, user.accessToken, roomId);
    expect(events.at(-1)?.content).toEqual(body);
    expect(events.every((event) => isObject(event.content))).toBe(true);
  });

  it("moves its clock", async () => {
    const server = await start({ now: () => 1_000_000_000_000 });
    const user = await server.addUser("alice");
    const roomId = await roomOf(server, user);
    server.setClockOffset(5000);
    await call(server.url, "PUT", sendPath(roomId, "t1"), { token: user.accessToken, body });
    expect(server.events(roomId).at(-1)?.originServerTs).toBe(1_000_000_005_000);
  });
});
