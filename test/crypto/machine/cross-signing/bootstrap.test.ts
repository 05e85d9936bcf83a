// Making our user's identity, and finding one that is there (Client-Server API, "Cross-signing").
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Answer } from "#crypto/machine/requests.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { type Homeserver, startHomeserver, type TestUser } from "#test/homeserver/homeserver.ts";
import { type Client, inside, makeClient, secondDevice } from "../support/loopback.ts";
import { makeOurs } from "../support/world.ts";

let server: Homeserver;
let user: TestUser;
let client: Client;
beforeEach(async () => {
  server = await startHomeserver();
  user = await server.addUser("agent");
  client = makeClient(server, user);
});
afterEach(() => server.stop());

const state = (of: Client = client) => of.ours.in((calls) => calls.crossSigning());
const bootstrap = async (of: Client = client, replace = false) => {
  of.ours.in((calls) => calls.bootstrapCrossSigning({ replace }));
  await of.pump();
  return state(of);
};
const shownKeys = async (of: Client = client): Promise<JsonObject> => {
  const answer = await of.http("POST", "/_matrix/client/v3/keys/query", {
    device_keys: { [user.userId]: [] },
  });
  return inside(answer.body);
};
const secrets = (of: Client = client) => of.ours.store.list("secret", "");
const other = async (): Promise<Client> => makeClient(server, await secondDevice(server, user));

describe("the first device of a user", () => {
  it("has said nothing before the server has", () => {
    expect(state()).toEqual({ state: "unknown" });
    expect(client.ours.in((calls) => calls.bootstrapCrossSigning())).toEqual({ state: "unknown" });
    expect(secrets()).toEqual([]);
  });

  it("has no identity until somebody wants one", async () => {
    await client.pump();
    expect(state()).toEqual({ state: "none" });
  });

  it("makes an identity, confirms it and signs itself", async () => {
    expect(await bootstrap()).toMatchObject({
      state: "ours",
      deviceSigned: true,
      held: ["master", "self_signing", "user_signing"],
    });
    expect(client.ours.in((calls) => calls.identityStatus(user.userId))).toBe("verified");
    expect(client.ours.notices).toEqual([]);
  });

  it("shows the server three keys, the master key signed by the device, the device by the self-signing key", async () => {
    await bootstrap();
    const shown = await shownKeys();
    const { userId, deviceId } = user;
    const selfSigning = Object.keys(inside(shown, "self_signing_keys", userId, "keys"));
    expect(selfSigning).toHaveLength(1);
    expect(Object.keys(inside(shown, "master_keys", userId, "signatures", userId))).toEqual([
      `ed25519:${deviceId}`,
    ]);
    expect(Object.keys(inside(shown, "device_keys", userId, deviceId, "signatures", userId)).sort()).toEqual(
      [`ed25519:${deviceId}`, ...selfSigning].sort(),
    );
  });

  it("is seen as cross-signed by a device of the same user", async () => {
    await bootstrap();
    const second = await other();
    await second.pump();
    const devices = second.ours.in((calls) => calls.devices(user.userId));
    expect(devices.find(({ device }) => device.deviceId === user.deviceId)?.trust).toEqual({
      crossSigned: true,
      verified: false,
      identity: "pinned",
    });
  });

  it("sends its cross-signing signature along with messages from then on", async () => {
    await bootstrap();
    const row = client.ours.store.get("device", user.userId, user.deviceId);
    expect(row?.crossSignature).toMatch(/^[A-Za-z0-9+/]{86}$/);
  });

  it("keeps its keys before it uploads them, and uploads the same ones after a restart", async () => {
    client.alter = (request, answer) =>
      request.kind === "cross-signing-upload" ? { ok: false, status: null, body: null } : answer;
    await bootstrap();
    expect(state()).toEqual({ state: "uploading", challenge: null });
    expect(secrets()).toHaveLength(3);
    const [before] = client.ours.requests("cross-signing-upload");
    const again = makeClient(server, user, makeOurs(client.ours.config, client.ours.store));
    expect(again.ours.requests("cross-signing-upload")).toEqual([before]);
    expect(await bootstrap(again)).toMatchObject({ state: "ours", deviceSigned: true });
    expect(server.countRequests({ path: /device_signing/, status: 200 })).toBe(2);
  });

  it("signs itself once its keys are on the server, not before", async () => {
    let refused = true;
    client.alter = (request, answer) =>
      request.kind === "keys-upload" && refused ? { ok: false, status: 500, body: null } : answer;
    server.fault({ kind: "refused", match: { path: /keys\/upload/ } });
    await bootstrap().catch(() => undefined);
    refused = false;
    server.clearFaults();
    await client.pump();
    await client.sync();
    await client.pump();
    expect(state()).toMatchObject({ state: "ours", deviceSigned: true });
  });

  it("does not ask the server for anything once it is done", async () => {
    await bootstrap();
    await client.sync();
    await client.pump();
    client.ours.in((calls) => calls.bootstrapCrossSigning());
    expect(await client.pump()).toEqual([]);
  });
});

describe("an identity that is there", () => {
  it("is not touched, and not trusted, by another device", async () => {
    await bootstrap();
    const before = await shownKeys();
    const second = await other();
    expect(await bootstrap(second)).toEqual({
      state: "theirs-unsigned",
      master: client.ours.in((calls) => calls.masterKey(user.userId)),
      changed: false,
    });
    expect((await shownKeys())["master_keys"]).toEqual(before["master_keys"]);
    expect(secrets(second)).toEqual([]);
  });

  it("is not touched where it does not hold either", async () => {
    await bootstrap();
    const second = await other();
    second.alter = (request, answer) =>
      request.kind === "keys-query" && answer.ok
        ? { ok: true, body: { ...inside(answer.body), master_keys: { [user.userId]: { nonsense: true } } } }
        : answer;
    expect(await bootstrap(second)).toEqual({ state: "broken" });
    expect(second.ours.requests("cross-signing-upload")).toEqual([]);
  });

  it("wins over one that was being made at the same time", async () => {
    const second = await other();
    await second.pump();
    await bootstrap();
    const master = client.ours.in((calls) => calls.masterKey(user.userId));
    expect(await bootstrap(second)).toEqual({ state: "theirs-unsigned", master, changed: false });
    expect(secrets(second)).toEqual([]);
    expect(second.ours.notices).toContainEqual({ kind: "identity-made-elsewhere" });
    expect(server.countRequests({ path: /device_signing/, status: 401 })).toBe(1);
    expect(server.countRequests({ path: /device_signing/, status: 200 })).toBe(1);
  });

  it("is replaced when a person says so, with the password", async () => {
    await bootstrap();
    const master = client.ours.in((calls) => calls.masterKey(user.userId));
    const second = await other();
    await bootstrap(second);
    expect(await bootstrap(second, true)).toMatchObject({ state: "ours", deviceSigned: true });
    expect(second.ours.in((calls) => calls.masterKey(user.userId))).not.toBe(master);
  });

  it("that another device replaced is not ours any more: a notice, and no trust", async () => {
    await bootstrap();
    await client.sync();
    const second = await other();
    await bootstrap(second);
    await bootstrap(second, true);
    await client.sync();
    await client.pump();
    expect(state()).toMatchObject({ state: "theirs-unsigned", changed: true });
    expect(client.ours.notices).toContainEqual({
      kind: "identity-changed",
      userId: user.userId,
      wasVerified: true,
    });
    const { userId, deviceId } = user;
    const own = client.ours
      .in((calls) => calls.devices(userId))
      .find((each) => each.device.deviceId === deviceId);
    expect(own?.trust).toMatchObject({ verified: false, identity: "violation" });
  });
});

describe("a server that wants to know who asks", () => {
  const challenge = { flows: [{ stages: ["m.login.password"] }], params: {}, session: "s" };
  /** As a server without MSC3967: even the first upload needs the password. */
  const strict = (isRight: (auth: unknown) => boolean, errcode = "M_FORBIDDEN") => {
    client.alter = (request, answer): Answer => {
      if (request.kind !== "cross-signing-upload") return answer;
      if (request.challenge === undefined) return { ok: false, status: 401, body: challenge };
      return isRight(request.challenge)
        ? answer
        : { ok: false, status: 401, body: { ...challenge, errcode } };
    };
  };

  it("gets the password where one is known", async () => {
    strict(() => true);
    expect(await bootstrap()).toMatchObject({ state: "ours" });
  });

  it("waits, its question shown as data, where none is known", async () => {
    strict(() => true);
    client.knowsPassword = false;
    expect(await bootstrap()).toEqual({ state: "uploading", challenge });
    client.knowsPassword = true;
    await client.pump();
    expect(state()).toMatchObject({ state: "ours" });
  });

  it("that refuses the password is not asked again and again", async () => {
    strict(() => false);
    expect(await bootstrap()).toEqual({ state: "refused", error: "401 M_FORBIDDEN" });
    expect(await client.pump()).toEqual([]);
    strict(() => true);
    expect(await bootstrap()).toMatchObject({ state: "ours" });
  });

  it.each([400, 403, 404])("that answers %i is left alone until somebody asks again", async (status) => {
    client.alter = (request, answer) =>
      request.kind === "cross-signing-upload"
        ? { ok: false, status, body: { errcode: "M_UNRECOGNIZED" } }
        : answer;
    expect(await bootstrap()).toEqual({ state: "refused", error: `${status} M_UNRECOGNIZED` });
    expect(client.ours.notices).toContainEqual({
      kind: "cross-signing-refused",
      error: `${status} M_UNRECOGNIZED`,
    });
  });

  it("is not asked by passwords in the store", async () => {
    strict(() => true);
    client.knowsPassword = false;
    await bootstrap();
    expect(JSON.stringify(client.ours.store.list("request", ""))).not.toContain(user.password);
  });
});

describe("a signature that the server does not take", () => {
  it("is a notice, and is tried again an hour later", async () => {
    const failures = { [user.userId]: { [user.deviceId]: { errcode: "M_INVALID_SIGNATURE" } } };
    server.fault({
      kind: "status",
      status: 200,
      body: { failures },
      match: { path: /signatures\/upload/ },
      times: 1,
    });
    expect(await bootstrap()).toMatchObject({ state: "ours", deviceSigned: false });
    expect(client.ours.notices).toEqual([
      {
        kind: "signature-refused",
        userId: user.userId,
        deviceId: user.deviceId,
        error: "M_INVALID_SIGNATURE",
      },
    ]);
    expect(client.ours.requests("signatures-upload")).toEqual([]);
    client.ours.nowMs += 3_600_000;
    await client.pump();
    expect(state()).toMatchObject({ deviceSigned: true });
  });
});
