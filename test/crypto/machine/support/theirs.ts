// matrix-sdk-crypto's OlmMachine (the code in Element) as a client of the loopback homeserver, and a machine of ours beside it.
import type { MachineConfig } from "#crypto/machine/context.ts";
import type { Homeserver, TestUser } from "#test/homeserver/homeserver.ts";
import { type Peer, startPeer } from "#test/peers/crypto/client.ts";
import { type Client, makeClient, secondDevice } from "./loopback.ts";
import { makeOurs } from "./world.ts";

export interface Theirs {
  readonly user: TestUser;
  readonly peer: Peer;
}

/** VerificationMethod of the package, whose enum cannot be imported without loading the WebAssembly. */
export const METHODS: { readonly [name in "sas" | "scan" | "show" | "reciprocate"]: number } = {
  sas: 0,
  scan: 1,
  show: 2,
  reciprocate: 3,
};
export const ALL_METHODS: readonly number[] = Object.values(METHODS);

/** `partner`: the user whom it verifies with. */
export const startTheirs = async (server: Homeserver, user: TestUser, partner: string): Promise<Theirs> => {
  const peer = startPeer("rust-client");
  await peer.call("start", server.url, user.userId, user.deviceId, user.accessToken, partner);
  return { user, peer };
};

/** Both sync and send until nothing more is to come: a few rounds, as a verification's messages answer each other. */
export const exchange = async (client: Client, { peer }: Theirs, rounds = 3): Promise<void> => {
  for (let round = 0; round < rounds; round += 1) {
    await client.pump();
    await peer.call("sync");
    await client.sync();
    await client.pump();
    await peer.call("sync");
  }
};

/** Two users, ours and theirs, each with an identity of its own, who know each other. */
export const meetUsers = async (
  server: Homeserver,
): Promise<{ readonly client: Client; readonly theirs: Theirs }> => {
  const [us, them] = [await server.addUser("ours"), await server.addUser("theirs")];
  const client = makeClient(server, us);
  const theirs = await startTheirs(server, them, us.userId);
  client.ours.in((calls) => calls.bootstrapCrossSigning());
  client.ours.in((calls) => calls.trackUsers([them.userId]));
  await client.pump();
  await theirs.peer.call("bootstrap");
  await theirs.peer.call("track", [us.userId, them.userId]);
  await exchange(client, theirs);
  client.ours.in((calls) => calls.receiveDeviceLists({ changed: [them.userId], left: [] }));
  await exchange(client, theirs);
  return { client, theirs };
};

/** Two devices of one user, ours and theirs; `first` makes the identity. */
export const meetDevices = async (
  server: Homeserver,
  first: "ours" | "theirs",
  config: Partial<MachineConfig> = {},
): Promise<{ readonly client: Client; readonly theirs: Theirs }> => {
  const user = await server.addUser("user");
  const { deviceId, userId } = user;
  const client = makeClient(server, user, makeOurs({ userId, deviceId, ...config }));
  const theirs = await startTheirs(server, await secondDevice(server, user), user.userId);
  if (first === "theirs") await theirs.peer.call("bootstrap");
  client.ours.in((calls) => calls.bootstrapCrossSigning());
  await client.pump();
  await theirs.peer.call("track", [user.userId]);
  await client.sync();
  client.ours.in((calls) => calls.receiveDeviceLists({ changed: [user.userId], left: [] }));
  await exchange(client, theirs);
  return { client, theirs };
};

/** The same, and they compare strings and find them the same. */
export const verifyDevices = async (
  server: Homeserver,
  first: "ours" | "theirs",
  config: Partial<MachineConfig> = {},
): Promise<{ readonly client: Client; readonly theirs: Theirs }> => {
  const { client, theirs } = await meetDevices(server, first, config);
  const { ours, user } = client;
  const { id } = ours.in((calls) => calls.requestVerification(user.userId));
  const flow = ours.store.get("verification", "", id)?.flowId;
  await exchange(client, theirs, 1);
  await theirs.peer.call("accept", user.userId, flow, [METHODS["sas"]]);
  await exchange(client, theirs, 1);
  ours.in((calls) => calls.startSas(id));
  await exchange(client, theirs, 1);
  await theirs.peer.call("acceptSas", user.userId, flow);
  await exchange(client, theirs, 2);
  ours.in((calls) => calls.confirmVerification(id));
  await exchange(client, theirs, 1);
  await theirs.peer.call("confirm", user.userId, flow);
  await exchange(client, theirs, 4);
  return { client, theirs };
};
