// Logging in, staying logged in, and losing it: against the loopback homeserver's three profiles.
import { describe, expect, it } from "vitest";
import { whoIs } from "#agent/matrix/login.ts";
import { readSession } from "#agent/matrix/session-table.ts";
import type { Store } from "#agent/store/store.ts";
import {
  eventually,
  failureOf,
  homeserver,
  openRig,
  PROFILES,
  passwordOf,
  type Rig,
  temporaryStorePath,
  testStore,
  tokenOf,
} from "./support.ts";
import { plainServer } from "./throwaway-server.ts";

const LOGIN = { method: "POST", path: /\/login$/ } as const;
const REFRESH = { method: "POST", path: /\/refresh$/ } as const;

const tokensIn = (store: Store) => readSession(store)?.granted;

describe.each(PROFILES)("on %s", (profile) => {
  it("logs in with a password and is who it says", async () => {
    const server = await homeserver({ profile });
    const user = await server.addUser("device");
    const { client, session } = await openRig(server.url, user);
    expect(await client.whoami()).toEqual({ userId: user.userId, deviceId: session.deviceId });
    await session.verify();
  });

  it("logs in with the local part of the name alone", async () => {
    const server = await homeserver({ profile });
    const user = await server.addUser("device");
    const credentials = { kind: "password", user: "device", password: user.password } as const;
    const { client } = await openRig(server.url, user, { credentials });
    expect(client.userId).toBe(user.userId);
  });

  it("starts again from the store without a login, even while the server is away", async () => {
    const server = await homeserver({ profile });
    const user = await server.addUser("device");
    const first = await openRig(server.url, user);
    await server.offline();
    const second = await openRig(server.url, user, { store: first.store });
    await server.online();
    expect(second.session.deviceId).toBe(first.session.deviceId);
    await second.session.verify();
    expect(server.countRequests(LOGIN)).toBe(1);
  });

  it("says what is wrong with a password", async () => {
    const server = await homeserver({ profile });
    const user = await server.addUser("device");
    const credentials = { ...passwordOf(user), password: "not it" } as const;
    const error = await failureOf(openRig(server.url, user, { credentials }));
    expect(error).toMatchObject({ kind: "refused", status: 403 });
    expect(error.message).toContain(`login as ${user.userId} at ${server.url}: wrong user name or password`);
    expect(error.message).not.toContain("not it");
  });

  it("makes no second device when the answer to a login is lost", async () => {
    const server = await homeserver({ profile });
    const user = await server.addUser("device");
    const store = await testStore();
    server.fault({ kind: "answer-lost", match: LOGIN });
    expect((await failureOf(openRig(server.url, user, { store }))).inDoubt).toBe(true);
    const { session } = await openRig(server.url, user, { store });
    const devices = [...(server.world.users.get(user.userId)?.devices.keys() ?? [])];
    expect(devices.filter((id) => id !== user.deviceId)).toEqual([session.deviceId]);
  });

  it("keeps its device through a soft logout and logs in again by itself", async () => {
    const server = await homeserver({ profile });
    const user = await server.addUser("device");
    const { client, session, store } = await openRig(server.url, user);
    await store.transaction((database) => database.exec("UPDATE matrix_session SET refresh_token = NULL"));
    const again = await openRig(server.url, user, { store });
    server.expireTokens(user.userId);
    expect(await again.client.whoami()).toEqual({ userId: user.userId, deviceId: session.deviceId });
    expect(server.countRequests(LOGIN)).toBe(2);
    expect(client.deviceId).toBe(session.deviceId);
  });

  it("is finished, with a stated next step, once it was logged out for good", async () => {
    const server = await homeserver({ profile });
    const user = await server.addUser("device");
    const { client } = await openRig(server.url, user);
    server.revokeTokens(user.userId);
    const error = await failureOf(client.whoami());
    expect(error).toMatchObject({ kind: "auth", softLogout: false });
    expect(error.message).toContain("Run `petrel login`");
    expect(server.countRequests(LOGIN)).toBe(1);
  });
});

const onSynapse = async () => {
  const server = await homeserver();
  const user = await server.addUser("device");
  const rig = await openRig(server.url, user);
  return { server, user, rig, whoami: () => rig.client.whoami() };
};

/** Knows one user with the token "old"; loses its first answers to a refresh; can hold back the 401s of the old token. */
const refreshingServer = async ({ loses = 1 } = {}) => {
  const sent: string[] = [];
  let expired = false;
  let holding = false;
  const held: (() => void)[] = [];
  const answerTo = (path: string, token: string): string | null => {
    if (path.endsWith("/refresh"))
      return sent.length <= loses ? null : '{"access_token":"new","refresh_token":"second"}';
    if (expired && token === "Bearer old") return '{"errcode":"M_UNKNOWN_TOKEN","soft_logout":true}';
    return '{"user_id":"@a:b","device_id":"D","versions":["v1.1"]}';
  };
  const url = await plainServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (chunks.length > 0) sent.push(Buffer.concat(chunks).toString());
      const answer = answerTo(request.url ?? "", request.headers.authorization ?? "");
      const refused = answer?.includes("errcode") === true;
      const give = (): unknown => response.writeHead(refused ? 401 : 200).end(answer);
      if (answer === null) request.socket.destroy();
      else if (refused && holding) held.push(give);
      else give();
    });
  });
  const holdRefusals = () => {
    holding = true;
    return {
      count: () => held.length,
      onlyThose: () => {
        holding = false;
      },
      release: () => held.forEach((give) => void give()),
    };
  };
  const expire = (): void => {
    expired = true;
  };
  return { url, sent, expire, holdRefusals };
};

describe("refresh tokens", () => {
  it("give a new pair when the token has expired, without a login", async () => {
    const { server, user, rig, whoami } = await onSynapse();
    const before = tokensIn(rig.store);
    server.expireTokens(user.userId);
    await whoami();
    const after = tokensIn(rig.store);
    expect(after?.accessToken).not.toBe(before?.accessToken);
    expect(after?.refreshToken).not.toBe(before?.refreshToken);
    expect([server.countRequests(LOGIN), server.countRequests(REFRESH)]).toEqual([1, 1]);
  });

  it("are used once for many requests at the same time", async () => {
    const { server, user, whoami } = await onSynapse();
    server.expireTokens(user.userId);
    await Promise.all(Array.from({ length: 8 }, whoami));
    expect(server.countRequests(REFRESH)).toBe(1);
  });

  it("that gave a token which is revoked before its first use end with a stated next step", async () => {
    const { server, user, rig } = await onSynapse();
    server.expireTokens(user.userId);
    const used: string[] = [];
    const error = await failureOf(
      rig.session.authorised((token) => {
        used.push(token);
        if (used.length === 2) server.revokeTokens(user.userId);
        return whoIs(rig.http, server.url, token);
      }),
    );
    expect(new Set(used).size).toBe(2);
    expect(error).toMatchObject({ kind: "auth", errcode: "M_UNKNOWN_TOKEN" });
    expect(error.message).toContain("does not know this device any more");
    expect(error.message).toContain("Run `petrel login`");
  });

  it("are used before the token runs out", async () => {
    const { server, rig, whoami } = await onSynapse();
    rig.runtime.advance(200_000);
    await whoami();
    expect(server.countRequests(REFRESH)).toBe(0);
    rig.runtime.advance(50_000);
    await whoami();
    expect(server.countRequests(REFRESH)).toBe(1);
    expect(server.countRequests({ status: 401 })).toBe(0);
  });

  it("are on the disk before the new token is used: a crash in between loses nothing", async () => {
    const path = temporaryStorePath();
    const server = await homeserver();
    const user = await server.addUser("device");
    const store = await testStore(path);
    const rig = await openRig(server.url, user, { store });
    server.expireTokens(user.userId);
    let storedWhenUsed: string | undefined;
    const durable = store.durable.bind(store);
    const order: string[] = [];
    Object.assign(store, {
      durable: async () => {
        await durable();
        order.push("durable");
        storedWhenUsed = tokensIn(store)?.accessToken;
      },
    });
    await rig.client.whoami();
    const uses = server.requests({ path: /whoami$/, status: 200 });
    expect(order).toEqual(["durable"]);
    expect(uses).toHaveLength(1);
    expect(storedWhenUsed).toBe(tokensIn(store)?.accessToken);
  });

  it("are sent again when the answer was lost: the old one is good until the new one is used", async () => {
    const { url, sent, expire } = await refreshingServer();
    const credentials = { kind: "access-token", accessToken: "old", refreshToken: "first" } as const;
    const user = { userId: "@a:b", deviceId: "D", accessToken: "old", password: "" };
    const { client, store } = await openRig(url, user, { credentials });
    expire();
    expect((await failureOf(client.whoami())).kind).toBe("network");
    expect(tokensIn(store)?.refreshToken).toBe("first");
    expect((await client.whoami()).userId).toBe("@a:b");
    expect(sent).toEqual(['{"refresh_token":"first"}', '{"refresh_token":"first"}']);
    expect(tokensIn(store)).toMatchObject({ accessToken: "new", refreshToken: "second" });
  });

  it("are not used again for a request that was refused with the token before", async () => {
    const { url, sent, expire, holdRefusals } = await refreshingServer({ loses: 0 });
    const credentials = { kind: "access-token", accessToken: "old", refreshToken: "first" } as const;
    const user = { userId: "@a:b", deviceId: "D", accessToken: "old", password: "" };
    const { client } = await openRig(url, user, { credentials });
    expire();
    const held = holdRefusals();
    const late = client.whoami();
    await eventually(() => held.count() === 1);
    held.onlyThose();
    await client.whoami();
    held.release();
    expect((await late).userId).toBe("@a:b");
    expect(sent).toEqual(['{"refresh_token":"first"}']);
  });

  it("that are refused lead to a login with the same device", async () => {
    const { server, user, rig, whoami } = await onSynapse();
    server.expireTokens(user.userId);
    const body = { errcode: "M_UNKNOWN_TOKEN", error: "used" };
    server.fault({ kind: "status", status: 403, body, match: REFRESH });
    expect((await whoami()).deviceId).toBe(rig.session.deviceId);
    expect(server.countRequests(LOGIN)).toBe(2);
  });

  it("that fail ahead of time do no harm while the token is good", async () => {
    const { server, rig, whoami } = await onSynapse();
    rig.runtime.advance(250_000);
    server.fault({ kind: "status", status: 502, match: REFRESH });
    expect((await whoami()).userId).toBe(rig.session.userId);
  });
});

describe("a server that refuses each token it gives", () => {
  it("is not stormed with logins", async () => {
    const { server, rig, whoami } = await onSynapse();
    const body = { errcode: "M_UNKNOWN_TOKEN", soft_logout: true };
    server.fault({ kind: "status", status: 401, body, match: { path: /whoami$/ }, times: 100 });
    server.fault({
      kind: "status",
      status: 403,
      body: { errcode: "M_FORBIDDEN" },
      match: REFRESH,
      times: 100,
    });
    for (let n = 0; n < 5; n += 1) await failureOf(whoami());
    expect(server.countRequests(LOGIN)).toBe(2);
    expect((await failureOf(whoami())).kind).toBe("unavailable");
    rig.runtime.advance(61_000);
    await failureOf(whoami());
    expect(server.countRequests(LOGIN)).toBe(3);
  });
});

describe("a login that is limited", () => {
  it("is not repeated before its time", async () => {
    const { server, user, rig, whoami } = await onSynapse();
    const body = { errcode: "M_FORBIDDEN" };
    server.fault({ kind: "status", status: 403, body, match: REFRESH });
    server.fault({ kind: "limited", retryAfterMs: 333_000, match: LOGIN });
    server.expireTokens(user.userId);
    expect(await failureOf(whoami())).toMatchObject({ kind: "limited", retryAfterMs: 333_000 });
    rig.runtime.advance(300_000);
    expect((await failureOf(whoami())).kind).toBe("limited");
    rig.runtime.advance(34_000);
    expect((await whoami()).userId).toBe(user.userId);
  });
});

describe("other ways in", () => {
  it("a login token, once", async () => {
    const server = await homeserver();
    const user = await server.addUser("device");
    const credentials = { kind: "token", token: server.loginToken(user.userId) } as const;
    const { client } = await openRig(server.url, user, { credentials });
    expect((await client.whoami()).userId).toBe(user.userId);
    const again = await failureOf(openRig(server.url, user, { credentials }));
    expect(again.message).toContain("login token is not (or no longer) good");
  });

  it("an access token of the operator's, with its own device", async () => {
    const server = await homeserver();
    const user = await server.addUser("device");
    const { session } = await openRig(server.url, user, { credentials: tokenOf(user) });
    expect(session.deviceId).toBe(user.deviceId);
  });

  it("an access token with a newline in it is refused without being shown", async () => {
    const server = await homeserver();
    const user = await server.addUser("device");
    const credentials = { kind: "access-token", accessToken: `${user.accessToken}\n` } as const;
    const error = await failureOf(openRig(server.url, user, { credentials }));
    expect(error.kind).toBe("local");
    expect(error.message).toContain("newlines");
    expect(error.message).not.toContain(user.accessToken);
  });
});

describe("the store", () => {
  it("holds no token in clear", async () => {
    const { rig } = await onSynapse();
    const granted = tokensIn(rig.store);
    const row = rig.store.read((database) => database.prepare("SELECT * FROM matrix_session").get());
    const bytes = Buffer.concat(
      Object.values(row ?? {}).map((value) =>
        Buffer.from(value instanceof Uint8Array ? value : String(value)),
      ),
    );
    expect(granted?.accessToken.length).toBeGreaterThan(5);
    expect(bytes.includes(granted?.accessToken ?? "-")).toBe(false);
    expect(bytes.includes(granted?.refreshToken ?? "-")).toBe(false);
  });

  it("of one user is refused to another", async () => {
    const { server, rig } = await onSynapse();
    const somebody = await server.addUser("somebody");
    const error = await failureOf(openRig(server.url, somebody, { store: rig.store }));
    expect(error.kind).toBe("local");
    expect(error.message).toContain("use another data folder");
  });

  it("of a device that the server takes for another is refused", async () => {
    const { server, user, rig } = await onSynapse();
    await rig.store.transaction((database) => database.exec("UPDATE matrix_session SET device_id = 'OTHER'"));
    const { session } = await openRig(server.url, user, { store: rig.store });
    expect(await failureOf(session.verify())).toMatchObject({ kind: "auth" });
  });

  it("keeps the device at a fresh login, and takes a new one when asked to", async () => {
    const { server, user, rig } = await onSynapse();
    const open = (freshLogin: "same-device" | "new-device"): Promise<Rig> =>
      openRig(server.url, user, { store: rig.store, session: { freshLogin } });
    expect((await open("same-device")).session.deviceId).toBe(rig.session.deviceId);
    expect((await open("new-device")).session.deviceId).not.toBe(rig.session.deviceId);
  });
});
