// With `encryption.enabled: false`: rooms that are encrypted, or were once, get nothing. A device that was told not to encrypt must not send in clear.
import type { Preparer } from "#agent/delivery/prepare.ts";
import type { MatrixClient } from "#agent/matrix/types.ts";
import type { Store } from "#agent/store/store.ts";
import { REFUSED_RETRY_MS } from "./limits.ts";
import { wasEncrypted } from "./tables.ts";

/** Asks for each room once a run. */
export const clearRoomsOnly = (client: Pick<MatrixClient, "getState">, store: Store): Preparer => {
  // Lanes ask at the same time: they share one question. Only a room that is clear is not asked for again.
  const asked = new Map<string, Promise<boolean>>();
  const ask = async (roomId: string): Promise<boolean> =>
    !store.read((database) => wasEncrypted(database, roomId)) &&
    (await client.getState(roomId, "m.room.encryption", "")) === null;
  const isClear = async (roomId: string): Promise<boolean> => {
    const answer = asked.get(roomId) ?? ask(roomId);
    asked.set(roomId, answer);
    const clear = await answer.catch((error: unknown) => {
      asked.delete(roomId);
      throw error;
    });
    if (!clear) asked.delete(roomId);
    return clear;
  };
  return {
    prepare: async ({ content, roomId, type }) => {
      if (await isClear(roomId)) return { kind: "ready", wire: () => ({ type, content }) };
      const reason = `${roomId} is an encrypted room, and encryption.enabled is false: nothing is sent into it; enable encryption, or name another room`;
      return { kind: "wait", delayMs: REFUSED_RETRY_MS, reason };
    },
  };
};
