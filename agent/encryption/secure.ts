// What the way to the room needs of encryption, enabled or not. The engine, and with it the machine, is loaded only where the configuration wants it.
import type { Preparer } from "#agent/delivery/prepare.ts";
import type { SyncFilter } from "#agent/matrix/sync-filter.ts";
import { type JsonObject, MatrixError } from "#agent/matrix/types.ts";
import type { AgentRooms } from "#agent/rooms/rooms.ts";
import type { Engine, EngineOptions } from "./engine.ts";
import { ENCRYPTED_CONTENT_BYTES_MAX } from "./limits.ts";
import type { EncryptionConfig } from "./schema.ts";

export interface Secured {
  /** Null: encryption is not enabled. */
  readonly engine: Engine | null;
  /** What stands before each PUT. */
  readonly preparer: Preparer;
}

export const secure = async (
  config: EncryptionConfig,
  options: Omit<EngineOptions, "config">,
): Promise<Secured> => {
  if (!config.enabled) {
    const { clearRoomsOnly } = await import("./refusing.ts");
    return { engine: null, preparer: clearRoomsOnly(options.client, options.store) };
  }
  const { Engine: Loaded } = await import("./engine.ts");
  const engine = new Loaded({ ...options, config });
  await engine.start();
  return { engine, preparer: engine };
};

/**
 * Nobody here reads the data room: our own telemetry need not come back over a metered link, nor wake anybody up. Where rooms are encrypted, who comes
 * and goes in it must be known all the same, and what is ours can be told by its sender only.
 */
export const syncFilter = (
  { data, people }: AgentRooms,
  encrypted: boolean,
  userId: string,
  namespace: string,
): SyncFilter => {
  const notTypes = [`${namespace}.telemetry`];
  return encrypted
    ? { rooms: [...new Set([people.roomId, data.roomId])], notTypes, notSenders: [userId] }
    : { rooms: [people.roomId], notTypes };
};

/** Refuses what would be too large once encrypted, while there is somebody to tell. Throws a `MatrixError` of kind "local". */
export const checkEncryptable = (content: JsonObject): void => {
  const bytes = Buffer.byteLength(JSON.stringify(content), "utf8");
  if (bytes <= ENCRYPTED_CONTENT_BYTES_MAX) return;
  throw new MatrixError(
    "local",
    `content: expected at most ${ENCRYPTED_CONTENT_BYTES_MAX} bytes, since encryption makes it a third larger, got ${bytes}; send it as a file`,
    { errcode: "M_TOO_LARGE" },
  );
};
