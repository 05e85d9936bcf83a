// Knobs of the loopback homeserver that no real server has: tokens, clocks, discovery, being away, and the rest of the faults.
import { createHmac } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { at, call, list, text } from "#test/peers/http.ts";
import { type Homeserver, type HomeserverOptions, startHomeserver, type TestUser } from "./homeserver.ts";

const V3 = "/_matrix/client/v3";
const servers: Homeserver[] = [];
const start = async (options: HomeserverOptions = {}): Promise<Homeserver> => {
  const server = await startHomeserver(options);
  servers.push(server);
  return server;
};
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const whoami = (server: Homeserver, user: TestUser) =>
  call(server.url, "GET", `${V3}/account/whoami`, { token: user.accessToken });

const roomOf = async (server: Homeserver, user: TestUser): Promise<string> =>
  text(
    (await call(server.url, "POST", `${V3}/createRoom`, { token: user.accessToken, body: {} })).json,
    "room_id",
  );

const discover = (server: Homeserver, path = "/.well-known/matrix/client") => call(server.url, "GET", path);

describe("tokens", () => {
  it("expires softly and revokes hard", async () => {
    const server = await start();
    const user = await server.addUser("alice");
    server.expireTokens(user.userId);
    const soft = await whoami(server, user);
    server.revokeTokens(user.userId);
    const hard = await whoami(server, user);
    expect([soft.status, at(soft.json, "soft_logout")]).toEqual([401, true]);
    expect([hard.status, at(hard.json, "soft_logout")]).toEqual([401, false]);
  });

  it("ends an access token after its lifetime by the server's clock", async () => {
    let now = 1_000_000;
    const server = await start({ now: () => now, accessTokenLifetimeMs: 1000 });
    const user = await server.addUser("alice");
    const login = {
      type: "m.login.password",
      identifier: { type: "m.id.user", user: "alice" },
      password: user.password,
      refresh_token: true,
    };
    const { json } = await call(server.url, "POST", `${V3}/login`, { body: login });
    const session = { ...user, accessToken: text(json, "access_token") };
    const before = await whoami(server, session);
    now += 1001;
    expect([before.status, (await whoami(server, session)).status]).toEqual([200, 401]);
  });

  it("logs in once with a login token", async () => {
    const server = await start();
    const user = await server.addUser("alice");
    const body = { type: "m.login.token", token: server.loginToken(user.userId) };
    const first = await call(server.url, "POST", `${V3}/login`, { body });
    const second = await call(server.url, "POST", `${V3}/login`, { body });
    expect([text(first.json, "user_id"), second.status]).toEqual([user.userId, 403]);
  });

  it("registers by shared secret, and refuses a wrong one", async () => {
    const server = await start({ sharedSecret: "s3cret" });
    const register = async (secret: string, name: string) => {
      const path = "/_synapse/admin/v1/register";
      const nonce = text((await call(server.url, "GET", path)).json, "nonce");
      const signedText = [nonce, name, "pw", "notadmin"].join("\0");
      const mac = createHmac("sha1", secret).update(signedText).digest("hex");
      const body = { nonce, username: name, password: "pw", admin: false, mac };
      return (await call(server.url, "POST", path, { body })).status;
    };
    expect([await register("s3cret", "carol"), await register("wrong", "mallory")]).toEqual([200, 403]);
  });

  it("limits logins after five", async () => {
    const server = await start({ rateLimits: "default" });
    const body = {
      type: "m.login.password",
      identifier: { type: "m.id.user", user: "nobody" },
      password: "x",
    };
    const statuses: number[] = [];
    for (let n = 0; n < 6; n += 1)
      statuses.push((await call(server.url, "POST", `${V3}/login`, { body })).status);
    expect(statuses).toEqual([403, 403, 403, 403, 403, 429]);
  });
});

describe("discovery", () => {
  it("is found at once, behind redirects, elsewhere, missing or broken", async () => {
    const server = await start();
    const own = await discover(server);
    server.setWellKnown({ kind: "redirect", hops: 2 });
    const first = await discover(server);
    const second = await discover(server, first.headers.location);
    const third = await discover(server, second.headers.location);
    server.setWellKnown({ kind: "base-url", baseUrl: "https://matrix.example/" });
    const elsewhere = await discover(server);
    server.setWellKnown({ kind: "missing" });
    const missing = await discover(server);
    server.setWellKnown({ kind: "broken" });
    const broken = await discover(server);
    expect([own, first, second, third, missing, broken].map((answer) => answer.status)).toEqual([
      200, 302, 302, 200, 404, 200,
    ]);
    expect(at(third.json, "m.homeserver", "base_url")).toBe(server.url);
    expect(at(elsewhere.json, "m.homeserver", "base_url")).toBe("https://matrix.example/");
    expect(broken.json).toBeNull();
  });
});

describe("being away", () => {
  it("refuses connections while offline and comes back with its data", async () => {
    const server = await start();
    const user = await server.addUser("alice");
    await server.offline();
    await expect(whoami(server, user)).rejects.toThrow();
    await server.online();
    expect((await whoami(server, user)).status).toBe(200);
  });

  it("cuts a long poll when it goes offline", async () => {
    const server = await start();
    const user = await server.addUser("alice");
    const token = user.accessToken;
    const since = text((await call(server.url, "GET", `${V3}/sync`, { token })).json, "next_batch");
    const poll = call(server.url, "GET", `${V3}/sync`, { token, query: { since, timeout: 30_000 } });
    const cut = expect(poll).rejects.toThrow();
    await server.waitUntil(() => server.countRequests({ path: /sync/ }) === 2);
    await server.offline();
    await cut;
  });

  it("keeps delayed events over a restart", async () => {
    const server = await start();
    const user = await server.addUser("alice");
    const roomId = await roomOf(server, user);
    const path = `${V3}/rooms/${encodeURIComponent(roomId)}/send/a.will/t1`;
    const query = { "org.matrix.msc4140.delay": 300 };
    await call(server.url, "PUT", path, { token: user.accessToken, body: {}, query });
    await server.restart();
    await server.waitUntil(() => server.events(roomId).at(-1)?.type === "a.will");
    expect(server.events(roomId).at(-1)?.sender).toBe(user.userId);
  });

  it("has no delayed events where they are not configured", async () => {
    const server = await start({ delayedEventMaxMs: null });
    const { json } = await call(server.url, "GET", "/_matrix/client/versions");
    expect(at(json, "unstable_features", "org.matrix.msc4140")).toBe(false);
  });
});

describe("faults", () => {
  it("skips, counts and can be taken back", async () => {
    const server = await start();
    const versions = async () => (await call(server.url, "GET", "/_matrix/client/versions")).status;
    const fault = server.fault({ kind: "status", status: 500, skip: 1, times: Number.POSITIVE_INFINITY });
    const statuses = [await versions(), await versions(), await versions()];
    fault.remove();
    expect([...statuses, await versions()]).toEqual([200, 500, 500, 200]);
    expect(fault.hits()).toBe(2);
  });

  it("answers late, or not until the client gives up", async () => {
    const server = await start();
    const versions = (signal?: AbortSignal) =>
      call(server.url, "GET", "/_matrix/client/versions", signal === undefined ? {} : { signal });
    server.fault({ kind: "slow", delayMs: 120 });
    const begun = performance.now();
    await versions();
    expect(performance.now() - begun).toBeGreaterThan(100);
    server.fault({ kind: "stall" });
    await expect(versions(AbortSignal.timeout(100))).rejects.toThrow();
  });

  it("injects events that no rule was asked for", async () => {
    const server = await start();
    const user = await server.addUser("alice");
    const roomId = await roomOf(server, user);
    server.inject({ roomId, sender: "@intruder:localhost", type: "a.command", content: {}, ts: 5 });
    const path = `${V3}/rooms/${encodeURIComponent(roomId)}/messages`;
    const { json } = await call(server.url, "GET", path, {
      token: user.accessToken,
      query: { dir: "b", limit: 1 },
    });
    expect(list(json, "chunk").map((event) => [at(event, "sender"), at(event, "origin_server_ts")])).toEqual([
      ["@intruder:localhost", 5],
    ]);
  });
});
