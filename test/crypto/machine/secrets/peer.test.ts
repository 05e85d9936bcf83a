// Secrets between a device of ours and one of matrix-sdk-crypto, both ways, and secret storage that a third device opens.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OpenResult } from "#crypto/machine/secrets/storage.ts";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { type Client, inside, makeClient, secondDevice } from "../support/loopback.ts";
import { exchange, meetDevices, type Theirs, verifyDevices as verified } from "../support/theirs.ts";

let server: Homeserver;
let theirs: Theirs | null = null;
beforeEach(async () => {
  server = await startHomeserver();
});
afterEach(async () => {
  await theirs?.peer.close();
  theirs = null;
  await server.stop();
});

const verifyDevices = async (first: "ours" | "theirs"): Promise<{ client: Client; their: Theirs }> => {
  const { client, theirs: their } = await verified(server, first);
  theirs = their;
  return { client, their };
};

const held = (client: Client) => {
  const state = client.ours.in((calls) => calls.crossSigning());
  return state.state === "ours" ? state.held : state;
};
const ALL = ["master", "self_signing", "user_signing"];

describe("the private keys of an identity", () => {
  it("come to us from theirs after a verification", async () => {
    const { client, their } = await verifyDevices("theirs");
    await exchange(client, their, 3);
    expect(held(client)).toEqual(ALL);
    expect(client.ours.notices).toContainEqual({ kind: "secret-received", deviceId: their.user.deviceId });
  });

  it("go from us to theirs after a verification", async () => {
    const { client, their } = await verifyDevices("ours");
    await their.peer.call("requestSecrets");
    await exchange(client, their, 3);
    expect(await their.peer.call("held")).toEqual({ master: true, selfSigning: true, userSigning: true });
  });

  it("do not go to a device that is not verified", async () => {
    const met = await meetDevices(server, "ours");
    theirs = met.theirs;
    const { client } = met;
    const content = {
      action: "request",
      name: "m.cross_signing.master",
      request_id: "r",
      requesting_device_id: met.theirs.user.deviceId,
    };
    client.ours.in((calls) =>
      calls.receiveToDevice([{ type: "m.secret.request", sender: client.user.userId, content }]),
    );
    expect(await client.pump()).toEqual([]);
    client.ours.nowMs += 600_000;
    client.ours.in((calls) => calls.outgoingRequests());
    expect(client.ours.store.list("secretAnswer", "")).toEqual([]);
  });
});

describe("secret storage", () => {
  const first = async (): Promise<Client> => {
    const client = makeClient(server, await server.addUser("user"));
    client.ours.in((calls) => calls.bootstrapCrossSigning());
    await client.pump();
    client.ours.in((calls) => calls.fetchSecretStorage());
    await client.pump();
    return client;
  };
  const second = async (client: Client): Promise<Client> => {
    const other = makeClient(server, await secondDevice(server, client.user));
    other.ours.in((calls) => calls.fetchSecretStorage());
    await other.pump();
    return other;
  };
  const open = async (
    client: Client,
    key: { recoveryKey: string } | { passphrase: string },
  ): Promise<OpenResult> => {
    const result = client.ours.in((calls) => calls.openSecretStorage(key));
    await client.pump();
    return result;
  };

  it("is made once, opened by another device with the recovery key, and makes that device a signed one", async () => {
    const client = await first();
    expect(client.ours.in((calls) => calls.secretStorage())).toEqual({ state: "none" });
    const { recoveryKey, secrets } = client.ours.in((calls) => calls.createSecretStorage());
    expect(secrets).toHaveLength(3);
    await client.pump();
    const other = await second(client);
    expect(other.ours.in((calls) => calls.secretStorage())).toMatchObject({
      state: "there",
      passphrase: false,
      secrets,
    });
    expect(await open(other, { recoveryKey })).toEqual({
      kind: "opened",
      taken: secrets,
      missing: ["m.megolm_backup.v1"],
      rejected: [],
    });
    expect(other.ours.in((calls) => calls.crossSigning())).toMatchObject({
      state: "ours",
      deviceSigned: true,
      held: ALL,
    });
    expect(() => client.ours.in((calls) => calls.createSecretStorage())).toThrow("already");
  });

  it("is opened by a passphrase, and by no other", async () => {
    const client = await first();
    client.ours.in((calls) => calls.createSecretStorage({ passphrase: "correct horse" }));
    await client.pump();
    const other = await second(client);
    expect(await open(other, { passphrase: "battery staple" })).toMatchObject({ kind: "wrong-key" });
    expect(held(other)).toMatchObject({ state: "theirs-unsigned" });
    expect(await open(other, { passphrase: "correct horse" })).toMatchObject({ kind: "opened" });
    expect(held(other)).toEqual(ALL);
  });

  it("with a mistyped key says so, and nothing is taken", async () => {
    const client = await first();
    const { recoveryKey } = client.ours.in((calls) => calls.createSecretStorage());
    await client.pump();
    const other = await second(client);
    const mistyped = recoveryKey.replace(/.$/, (last) => (last === "a" ? "b" : "a"));
    expect(await open(other, { recoveryKey: mistyped })).toMatchObject({ kind: "wrong-key" });
    expect(other.ours.store.list("secret", "")).toEqual([]);
  });

  it("that the server swaps for another account's is opened, and its keys are refused", async () => {
    const client = await first();
    const { recoveryKey } = client.ours.in((calls) => calls.createSecretStorage());
    await client.pump();
    const other = await second(client);
    // Another identity takes the place of the one whose keys are stored.
    client.ours.in((calls) => calls.bootstrapCrossSigning({ replace: true }));
    await client.pump();
    other.ours.in((calls) => calls.receiveDeviceLists({ changed: [client.user.userId], left: [] }));
    await other.pump();
    expect(await open(other, { recoveryKey })).toMatchObject({ kind: "opened", taken: [] });
    expect(held(other)).toMatchObject({ state: "theirs-unsigned" });
  });

  it("never has a secret in clear, nor the key", async () => {
    const client = await first();
    const { recoveryKey } = client.ours.in((calls) => calls.createSecretStorage());
    const bodies = JSON.stringify(client.ours.in((calls) => calls.outgoingRequests()));
    const seeds = client.ours.store.list("secret", "").map(({ row }) => row.secret);
    expect(seeds).toHaveLength(3);
    for (const secret of [...seeds, recoveryKey]) expect(bodies).not.toContain(secret);
    await client.pump();
    expect(inside((await client.http("GET", "/_matrix/client/v3/sync")).body)).not.toEqual({});
  });
});
