// Secrets between devices, and everything that must not be taken or given (e2ee.md: gossip with invalid variants).
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JsonObject } from "#crypto/shape.ts";
import { type Homeserver, startHomeserver, type TestUser } from "#test/homeserver/homeserver.ts";
import { type Client, makeClient, secondDevice } from "../support/loopback.ts";

const NAME = "m.cross_signing.user_signing";
let server: Homeserver;
let user: TestUser;
/** Has all keys. */
let first: Client;
/** A verified device of the same user that lacks one. */
let second: Client;
beforeEach(async () => {
  server = await startHomeserver();
  user = await server.addUser("user");
  first = await start(user);
  const { recoveryKey } = first.ours.in((calls) => calls.createSecretStorage());
  await first.pump();
  second = await start(await secondDevice(server, user));
  second.ours.in((calls) => calls.openSecretStorage({ recoveryKey }));
  await second.pump();
  second.ours.store.write([{ table: "secret", group: "", item: NAME, row: null }]);
  for (const each of [first, second]) await meet(each);
});
afterEach(() => server.stop());

const start = async (as: TestUser): Promise<Client> => {
  const client = makeClient(server, as);
  client.ours.in((calls) => calls.bootstrapCrossSigning());
  client.ours.in((calls) => calls.fetchSecretStorage());
  await client.pump();
  return client;
};
const meet = async (client: Client): Promise<void> => {
  await client.sync();
  client.ours.in((calls) => calls.receiveDeviceLists({ changed: [user.userId], left: [] }));
  await client.pump();
};
const secretOf = (client: Client): string | undefined => client.ours.store.get("secret", "", NAME)?.secret;
const ask = async (): Promise<string> => {
  expect(second.ours.in((calls) => calls.requestSecrets())).toEqual([NAME]);
  await second.pump();
  const [request] = second.ours.store.list("secretRequest", "");
  return request?.item ?? "";
};
/** Sends content as a secret over Olm, and lets it arrive. */
const sendSecret = async (from: Client, content: JsonObject, type = "m.secret.send"): Promise<void> => {
  from.ours.in((calls) => calls.prepareSessions([user.userId]));
  await from.pump();
  from.ours.in((calls) => calls.sendToDevice(user.userId, second.user.deviceId, type, content));
  await from.pump();
  await second.sync();
};

describe("a secret that is asked for", () => {
  it("comes from a verified device, is kept, and the request is over", async () => {
    await ask();
    await first.sync();
    await first.pump();
    const { toDevice } = await second.sync();
    expect(secretOf(second)).toBe(secretOf(first));
    expect(second.ours.store.list("secretRequest", "")).toEqual([]);
    // What is logged of it holds no secret.
    expect(JSON.stringify(toDevice)).not.toContain(secretOf(first));
    expect(JSON.stringify(second.ours.notices)).not.toContain(secretOf(first));
  });

  it.each([
    [
      "another secret than the one asked for",
      () => first.ours.store.get("secret", "", "m.cross_signing.master")?.secret,
    ],
    ["a key that belongs to nothing", () => "A".repeat(43)],
    ["no key at all", () => "not a key"],
    ["too much", () => "A".repeat(5_000)],
    ["something else than text", () => 7],
  ])("is not taken where it is %s", async (_, secret) => {
    const request_id = await ask();
    await sendSecret(first, { request_id, secret: secret() });
    expect(secretOf(second)).toBeUndefined();
    expect(second.ours.store.list("secretRequest", "")).toHaveLength(1);
  });

  it.each([
    ["for a request that nobody made", { request_id: "another" }],
    ["without a request", {}],
  ])("is not taken %s", async (_, content) => {
    await ask();
    await sendSecret(first, { ...content, secret: secretOf(first) });
    expect(secretOf(second)).toBeUndefined();
  });

  it("is not taken in clear", async () => {
    const request_id = await ask();
    const event = {
      type: "m.secret.send",
      sender: user.userId,
      content: { request_id, secret: secretOf(first) },
    };
    second.ours.in((calls) => calls.receiveToDevice([event]));
    expect(secretOf(second)).toBeUndefined();
  });

  it("is not taken from a device that is not verified", async () => {
    const third = await start(await secondDevice(server, user));
    await meet(second);
    const request_id = await ask();
    await meet(third);
    await sendSecret(third, { request_id, secret: secretOf(first) });
    expect(secretOf(second)).toBeUndefined();
  });

  it("is not taken from another user", async () => {
    const stranger = await start(await server.addUser("stranger"));
    second.ours.in((calls) => calls.trackUsers([stranger.user.userId]));
    stranger.ours.in((calls) => calls.trackUsers([user.userId]));
    await stranger.pump();
    await second.pump();
    const request_id = await ask();
    await sendSecret(stranger, { request_id, secret: secretOf(first) });
    expect(secretOf(second)).toBeUndefined();
  });

  it("is not taken after two weeks", async () => {
    await ask();
    await first.sync();
    await first.pump();
    second.ours.nowMs += 14 * 86_400_000;
    await second.sync();
    expect(secretOf(second)).toBeUndefined();
  });
});

describe("a secret that another asks for", () => {
  const request = (device: string, more: JsonObject = {}): JsonObject => ({
    type: "m.secret.request",
    sender: user.userId,
    content: { action: "request", name: NAME, request_id: "r", requesting_device_id: device, ...more },
  });
  const sent = async (event: JsonObject): Promise<number> => {
    first.ours.in((calls) => calls.receiveToDevice([event]));
    return (await first.pump()).filter(({ kind, path }) => kind === "to-device" && path.includes("encrypted"))
      .length;
  };

  it("goes to a verified device", async () => {
    expect(await sent(request(second.user.deviceId))).toBe(1);
  });

  it.each([
    ["a device that nobody knows", () => request("NOBODY")],
    ["ourselves", () => request(first.user.deviceId)],
    ["another user", () => ({ ...request(second.user.deviceId), sender: "@other:localhost" })],
    [
      "who asks for something that is no secret of ours",
      () => request(second.user.deviceId, { name: "m.other" }),
    ],
    ["who says nothing of what it wants", () => request(second.user.deviceId, { action: 7 })],
  ])("does not go to %s", async (_, event) => {
    expect(await sent(event())).toBe(0);
    expect(first.ours.store.list("secretAnswer", "")).toEqual([]);
  });

  it("does not go to a device that took its request back", async () => {
    const third = await start(await secondDevice(server, user));
    await meet(first);
    const { deviceId } = third.user;
    expect(await sent(request(deviceId))).toBe(0);
    expect(first.ours.store.list("secretAnswer", "")).toHaveLength(1);
    await sent(request(deviceId, { action: "request_cancellation" }));
    expect(first.ours.store.list("secretAnswer", "")).toEqual([]);
  });

  it("fills no store", async () => {
    const third = await start(await secondDevice(server, user));
    await meet(first);
    for (let i = 0; i < 50; i += 1) await sent(request(third.user.deviceId, { request_id: `r${i}` }));
    expect(first.ours.store.list("secretAnswer", "")).toHaveLength(32);
  });
});
