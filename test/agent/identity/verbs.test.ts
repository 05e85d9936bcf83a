// The control socket's verbs about identity: real machines over the loopback homeserver, called as the command line calls them.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Exchange } from "#agent/control/server.ts";
import type { IdentityAccess } from "#agent/identity/access.ts";
import { identityVerbs } from "#agent/identity/verbs.ts";
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import { nodeStretch } from "#crypto/provider/node-stretch.ts";
import type { Stretch } from "#crypto/secret-storage.ts";
import { type Client, inside, makeClient, secondDevice } from "#test/crypto/machine/support/loopback.ts";
import { type Homeserver, startHomeserver, type TestUser } from "#test/homeserver/homeserver.ts";

let server: Homeserver;
let user: TestUser;
let stretch: Stretch;
beforeEach(async () => {
  stretch = nodeStretch;
  server = await startHomeserver();
  user = await server.addUser("agent");
});
afterEach(() => server.stop());

interface Device {
  readonly client: Client;
  readonly events: JsonValue[];
  call(verb: string, args?: JsonObject): Promise<JsonObject>;
}

const accessOf = (client: Client): IdentityAccess => ({
  userId: client.user.userId,
  deviceId: client.user.deviceId,
  calls: (work) => Promise.resolve(client.ours.in(work)),
  settle: async () => {
    await client.pump();
    return client.ours.in((calls) => calls.outgoingRequests()).length === 0;
  },
  stretch: (...given) => stretch(...given),
  // A homeserver's answer is JSON.
  get: async (path) => inside((await client.http("GET", path)).body) as JsonObject,
});

const start = async (as: TestUser): Promise<Device> => {
  const client = makeClient(server, as);
  client.ours.in((calls) => calls.bootstrapCrossSigning());
  await client.pump();
  const verbs = identityVerbs(() => accessOf(client));
  const events: JsonValue[] = [];
  const exchange: Exchange = { event: (value) => events.push(value), signal: new AbortController().signal };
  return {
    client,
    events,
    call: async (verb, args = {}) => inside(await verbs[verb]?.(args, exchange)) as JsonObject, // a verb's answer is JSON
  };
};

describe("backup", () => {
  const withSessions = async (): Promise<Device> => {
    const device = await start(user);
    for (let i = 0; i < 3; i += 1) {
      const room = `!${i}:localhost`;
      device.client.ours.in((calls) => {
        calls.receiveRoomEncryption(room, { algorithm: "m.megolm.v1.aes-sha2" });
        calls.shareRoomKey(room, { members: [user.userId], strategy: "all", sharedHistory: false });
      });
    }
    return device;
  };

  it("is made with secret storage in one go, and restored by another device that knows the recovery key alone", async () => {
    const first = await withSessions();
    expect(inside(await first.call("backup", { action: "status" }), "backup")).toMatchObject({
      state: "none",
    });
    const made = await first.call("backup", { action: "create" });
    expect(made["secrets"]).toHaveLength(4);
    const recoveryKey = String(made["recoveryKey"]);
    const second = await start(await secondDevice(server, user));
    expect(await second.call("backup", { action: "restore", recoveryKey })).toMatchObject({
      new: 3,
      failed: 0,
      crossSigning: { state: "ours", deviceSigned: true },
    });
    expect(second.events).toEqual([{ done: 3, total: 3 }]);
    expect(inside(await second.call("backup", { action: "status" }), "backup")).toMatchObject({
      state: "on",
    });
  });

  it("needs the recovery key of a secret storage that is there, and takes no other", async () => {
    const first = await withSessions();
    await first.call("backup", { action: "create" });
    await expect(first.call("backup", { action: "create" })).rejects.toThrow("give its recovery key");
    await expect(first.call("backup", { action: "restore", recoveryKey: "EsT0 nonsense" })).rejects.toThrow(
      "does not open",
    );
  });

  it("is opened by a passphrase, which is stretched while all else goes on", async () => {
    const first = await withSessions();
    await first.call("backup", { action: "create" });
    first.client.ours.in((calls) =>
      calls.createSecretStorage({ passphrase: "correct horse", replace: true }),
    );
    await first.client.pump();
    const second = await start(await secondDevice(server, user));
    await expect(second.call("backup", { action: "restore", passphrase: "battery staple" })).rejects.toThrow(
      "does not open",
    );
    const gate = Promise.withResolvers<null>();
    const begun = Promise.withResolvers<null>();
    stretch = async (...given) => {
      begun.resolve(null);
      await gate.promise;
      return nodeStretch(...given);
    };
    const restored = second.call("backup", { action: "restore", passphrase: "correct horse" });
    await begun.promise;
    expect(await second.call("verifications")).toEqual({ verifications: [] });
    gate.resolve(null);
    expect(await restored).toMatchObject({ new: 3, crossSigning: { state: "ours" } });
  });

  it("whose storage no passphrase opens says so", async () => {
    const first = await withSessions();
    await first.call("backup", { action: "create" });
    await expect(first.call("backup", { action: "restore", passphrase: "x" })).rejects.toThrow(
      "no passphrase opens",
    );
  });

  it("gets a new secret storage only from a device that holds all that the old one holds", async () => {
    const first = await withSessions();
    const { recoveryKey } = await first.call("backup", { action: "create" });
    const second = await start(await secondDevice(server, user));
    await expect(
      second.call("backup", { action: "create", replace: true, replaceStorage: true }),
    ).rejects.toThrow("m.cross_signing.master");
    const made = await first.call("backup", { action: "create", replaceStorage: true });
    expect(made["secrets"]).toHaveLength(4);
    await expect(second.call("backup", { action: "restore", recoveryKey })).rejects.toThrow("does not open");
    const { recoveryKey: fresh } = made;
    expect(await second.call("backup", { action: "restore", recoveryKey: fresh })).toMatchObject({ new: 3 });
  });

  it("that there is none of says so", async () => {
    const device = await start(user);
    await expect(device.call("backup", { action: "restore" })).rejects.toThrow("no key backup");
    await expect(device.call("backup", { action: "burn" })).rejects.toThrow("expected one of the actions");
  });

  it("gives its sessions for a file, and takes them from one", async () => {
    const first = await withSessions();
    expect(await first.call("backup", { action: "export" })).toEqual({ rooms: 3, sessions: 3 });
    const sessions = first.events.flatMap((event) => inside(event)["sessions"] as JsonValue[]);
    const second = await start(await secondDevice(server, user));
    expect(await second.call("backup", { action: "import", sessions })).toMatchObject({ new: 3, failed: 0 });
    expect(await second.call("backup", { action: "import", sessions: [...sessions, 7] })).toMatchObject({
      known: 3,
    });
  });
});

describe("verification and trust", () => {
  const both = async (): Promise<[Device, Device]> => {
    const [first, second] = [await start(user), await start(await secondDevice(server, user))];
    await first.client.sync();
    first.client.ours.in((calls) => calls.receiveDeviceLists({ changed: [user.userId], left: [] }));
    await first.client.pump();
    await second.client.sync();
    return [first, second];
  };
  const exchange = async (...devices: Device[]): Promise<void> => {
    for (let round = 0; round < 3; round += 1)
      for (const { client } of devices) {
        await client.pump();
        await client.sync();
        await client.pump();
      }
  };
  const newest = async (device: Device): Promise<JsonObject> => {
    const { verifications } = await device.call("verifications");
    return inside((verifications as JsonValue[]).at(-1)) as JsonObject;
  };

  it("two devices of the account verify each other step by step, and the second becomes a signed one", async () => {
    const [first, second] = await both();
    await second.call("verify-request", { user: user.userId });
    await exchange(second, first);
    const { id } = await newest(first);
    expect(await newest(first)).toMatchObject({ phase: "asked", userId: user.userId });
    await first.call("verify-step", { id: String(id), step: "accept" });
    await exchange(first, second);
    await first.call("verify-step", { id: String(id), step: "start" });
    await exchange(first, second);
    const shown = await newest(first);
    expect(shown["emoji"]).toHaveLength(7);
    expect((await newest(second))["decimals"]).toEqual(shown["decimals"]);
    await first.call("verify-step", { id: String(id), step: "confirm" });
    await second.call("verify-step", { id: String((await newest(second))["id"]), step: "confirm" });
    await exchange(first, second);
    expect(await newest(first)).toMatchObject({ phase: "done" });
    expect(await second.call("trust")).toMatchObject({
      status: "verified",
      crossSigning: { state: "ours", deviceSigned: true },
    });
  });

  it("a wrong step says what was expected", async () => {
    const [first, second] = await both();
    await second.call("verify-request", { user: user.userId });
    await exchange(second, first);
    const id = String((await newest(first))["id"]);
    await expect(first.call("verify-step", { id, step: "confirm" })).rejects.toThrow("something to compare");
    await expect(first.call("verify-step", { id, step: "dance" })).rejects.toThrow(
      "expected one of the steps",
    );
    await expect(first.call("verify-step", { id: "99", step: "accept" })).rejects.toThrow("no verification");
  });

  it("a fingerprint that was compared makes another user verified, a wrong one nothing", async () => {
    const first = await start(user);
    const operator = await start(await server.addUser("operator"));
    const { fingerprint } = await operator.call("trust");
    const { userId } = operator.client.user;
    expect(await first.call("trust", { user: userId })).toMatchObject({ status: "pinned", fingerprint });
    const wrong = "A".repeat(43);
    await expect(first.call("trust", { user: userId, fingerprint: wrong })).rejects.toThrow(
      "another master key",
    );
    expect(await first.call("trust", { user: userId, fingerprint: String(fingerprint) })).toMatchObject({
      status: "verified",
    });
  });

  it("is not there before the agent has an encrypted session", async () => {
    const verbs = identityVerbs(() => null);
    const exchangeOf: Exchange = { event: () => undefined, signal: new AbortController().signal };
    expect(() => verbs["trust"]?.({}, exchangeOf)).toThrow("no encrypted session yet");
  });
});
