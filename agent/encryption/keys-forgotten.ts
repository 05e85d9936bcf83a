// The server has logged our device out, and with it dropped the device's keys and one-time keys. Noted before the next login, so that a process that dies
// in between still uploads them: as the same device with the same keys, which others go on knowing.
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { createMachine } from "#crypto/machine/machine.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { createAccess } from "./access.ts";

export const keysForgotten = async (
  store: Store,
  { clock, log }: Runtime,
  userId: string,
  deviceId: string,
): Promise<void> => {
  const machine = createMachine({ provider: nodeProvider, userId, deviceId, trustedMasters: new Map() });
  const access = createAccess(store, nodeProvider, machine, log, () => clock.wallMs());
  await access.in((calls) => {
    calls.setUp();
    calls.republishKeys();
  });
  await store.durable();
};
