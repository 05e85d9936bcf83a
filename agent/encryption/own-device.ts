// The store's keys are those of one device. When the session is another device's (a login as a new one, `petrel device reset`), they are left behind in one
// transaction: keys are made anew, the user's identity, room keys and the marks of encrypted rooms stay. The machine itself would refuse (OTHER_DEVICE).
//
// What waits in the outbox: an attempt in doubt keeps its ciphertext, by which it is looked for in the room, whoever sent it; everything else is encrypted
// anew when its turn comes, since the old device's session is gone.
import { MatrixError } from "#agent/matrix/types.ts";
import type { Database, Vault } from "#agent/store/store.ts";
import type { CrossSigningState } from "#crypto/machine/cross-signing/state.ts";
import type { MachineCalls } from "#crypto/machine/machine.ts";
import { DEVICE_TABLES, storedOwner } from "#crypto/machine/store/device-tables.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { createMachineStore } from "./machine-store.ts";
import { forgetTaken } from "./outside-requests.ts";

export interface OwnDevice {
  readonly userId: string;
  readonly deviceId: string;
}

/** Before the machine's first call. The device that was left behind; null: it is the same one, or the first. Throws a `MatrixError` for another user. */
export const adoptDevice = (
  database: Database,
  vault: Vault,
  { deviceId, userId }: OwnDevice,
): string | null => {
  const owner = storedOwner(createMachineStore(database, vault, nodeProvider));
  if (owner === null || (owner.userId === userId && owner.deviceId === deviceId)) return null;
  if (owner.userId !== userId)
    throw new MatrixError(
      "local",
      `the store holds the keys of ${owner.userId}, the session is of ${userId}: use another state folder for another user`,
    );
  const remove = database.prepare("DELETE FROM machine_row WHERE kind = ?");
  for (const table of DEVICE_TABLES) remove.run(table);
  database.prepare("UPDATE outbox SET cipher = NULL WHERE in_doubt = 0").run();
  return owner.deviceId;
};

export const OTHER_DEVICE =
  "encryption: this is another device than before: it has new keys, and what waits is encrypted anew";

export interface Beginning {
  /** The device that was left behind, if one was. */
  readonly left: string | null;
  readonly state: CrossSigningState["state"];
}

/** Our keys, made where they are missing, and an identity where our user has none: one transaction. */
export const beginDevice = (
  calls: MachineCalls,
  database: Database,
  vault: Vault,
  device: OwnDevice,
): Beginning => {
  const left = adoptDevice(database, vault, device);
  calls.setUp();
  const { state } = calls.bootstrapCrossSigning();
  forgetTaken(database, calls.outgoingRequests());
  return { left, state };
};
