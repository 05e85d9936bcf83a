// With `encryption.enabled: false`: rooms that are encrypted, or were once, get nothing. A device that was told not to encrypt must not send in clear.
import type { Preparer } from "#agent/delivery/prepare.ts";
import type { MatrixClient } from "#agent/matrix/types.ts";
import type { Store } from "#agent/store/store.ts";
import { REFUSED_RETRY_MS } from "./limits.ts";
import { wasEncrypted } from "./tables.ts";

/** Asks for each room once a run. */
export const clearRoomsOnly = (client: Pick<MatrixClient, "getState">, store: Store): Preparer => {
  const clear = new Set<string>();
  return {
    prepare: async ({ content, roomId, type }) => {
      if (!clear.has(roomId)) {
        const known = store.read((database) => wasEncrypted(database, roomId));
        if (known || (await client.getState(roomId, "m.room.encryption", "")) !== null) {
          const reason = `${roomId} is an encrypted room, and encryption.enabled is false: nothing is sent into it; enable encryption, or name another room`;
          return { kind: "wait", delayMs: REFUSED_RETRY_MS, reason };
        }
        clear.add(roomId);
      }
      return { kind: "ready", wire: () => ({ type, content }) };
    },
  };
};
