// What the verbs about the account's identity (agent/identity) get of a running engine.
import type { IdentityAccess } from "#agent/identity/access.ts";
import type { MatrixClient } from "#agent/matrix/types.ts";
import type { Store } from "#agent/store/store.ts";
import { nodeStretch } from "#crypto/provider/node-stretch.ts";
import type { Access } from "./access.ts";
import type { Pump } from "./pump.ts";

export const identityOf = (
  access: Access,
  store: Store,
  client: MatrixClient,
  pump: Pick<Pump, "settle">,
): IdentityAccess => ({
  userId: client.userId,
  deviceId: client.deviceId,
  calls: async (work) => {
    const result = await access.in((calls) => work(calls));
    await store.durable();
    return result;
  },
  settle: () => pump.settle(),
  stretch: nodeStretch,
  get: (path) => client.request("GET", path),
});
