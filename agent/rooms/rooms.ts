// The two rooms (DESIGN 4): joined by ID or alias, or made once under an alias of the device's own, so that an answer that got lost makes no second room.
import { asInteger, asObject, field } from "#agent/matrix/json.ts";
import { type MatrixClient, MatrixError } from "#agent/matrix/types.ts";
import type { Log } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import type { RoomConfig, RoomsConfig } from "./schema.ts";

export type RoomKind = "data" | "people";

export interface AgentRoom {
  readonly roomId: string;
  /** Made by the agent for this device: commands need no prefix in it. */
  readonly ours: boolean;
}

export type AgentRooms = Readonly<Record<RoomKind, AgentRoom>>;

export interface RoomsContext {
  readonly client: MatrixClient;
  readonly store: Store;
  readonly log: Log;
  readonly device: string;
  readonly namespace: string;
  readonly config: RoomsConfig;
  /** New rooms are encrypted. */
  readonly encrypted: boolean;
  /** A room that is configured is about to be joined. */
  readonly beforeJoin?: (roomIdOrAlias: string) => Promise<void>;
}

/** Moderator in the specification's defaults: what configured commands ask for. */
const OPERATOR_LEVEL = 50;

const remembered = (store: Store, kind: RoomKind, configured: string): AgentRoom | null => {
  const row = store.read((database) =>
    database
      .prepare("SELECT room_id, ours FROM room WHERE kind = ? AND configured = ?")
      .get(kind, configured),
  );
  return row === null ? null : { roomId: String(row["room_id"]), ours: row["ours"] === 1 };
};

const remember = async (store: Store, kind: RoomKind, configured: string, room: AgentRoom): Promise<void> => {
  await store.transaction((database) =>
    database
      .prepare("INSERT OR REPLACE INTO room (kind, configured, room_id, ours) VALUES (?, ?, ?, ?)")
      .run(kind, configured, room.roomId, room.ours ? 1 : 0),
  );
  await store.durable();
};

const aliasLocalpart = (device: string, kind: RoomKind): string =>
  `petrel-${device.toLowerCase().replace(/[^a-z0-9._-]/g, "-")}-${kind}`;

/** The server part of a user ID; a room ID is never taken apart (version 12 has none in it). */
const serverOf = (userId: string): string => userId.slice(userId.indexOf(":") + 1);

/** Gives the operators their level. Read, change, write: an override at creation would have to name the creator, which version 12 forbids. */
const raiseOperators = async ({ client, config }: RoomsContext, roomId: string): Promise<void> => {
  if (config.operators.length === 0) return;
  const levels = (await client.getState(roomId, "m.room.power_levels", "")) ?? {};
  const before = asObject(field(levels, "users")) ?? {};
  // Never lower: a room of ours that is found again may have an administrator among them.
  const levelOf = (user: string): number => Math.max(asInteger(field(before, user)) ?? 0, OPERATOR_LEVEL);
  const users = Object.fromEntries(config.operators.map((user) => [user, levelOf(user)]));
  await client.sendState(roomId, "m.room.power_levels", "", {
    ...levels,
    users: { ...before, ...users },
  });
};

const makeRoom = async (
  context: RoomsContext,
  kind: RoomKind,
  room: RoomConfig,
  alias: string | null,
): Promise<string> => {
  const { client, config, device, namespace } = context;
  const name = room.name ?? (kind === "data" ? `${device} data` : device);
  const roomId = await client.createRoom({
    name,
    ...(alias === null ? {} : { alias }),
    topic: kind === "data" ? `Telemetry of ${device}, for machines` : `Status and commands of ${device}`,
    preset: "private_chat",
    encrypted: context.encrypted,
    invite: config.operators,
    powerLevelEvents: { [`${namespace}.command`]: OPERATOR_LEVEL },
  });
  context.log.info({ kind, roomId }, "made a room");
  return roomId;
};

/**
 * Makes the room, or finds the one that an earlier try made whose answer was lost. Whoever took the alias before us cannot draw our telemetry into a
 * room of his: only a room that we are in already counts as found, since we join nothing else by ourselves.
 */
const makeOrFind = async (context: RoomsContext, kind: RoomKind, room: RoomConfig): Promise<AgentRoom> => {
  const { client, device, log } = context;
  const localpart = aliasLocalpart(device, kind);
  const alias = `#${localpart}:${serverOf(client.userId)}`;
  const existing = await client.resolveAlias(alias).catch((error: unknown) => {
    if (error instanceof MatrixError && error.status === 404) return null;
    throw error;
  });
  const inside = existing !== null && (await client.joinedRooms()).includes(existing.roomId);
  if (existing !== null && !inside)
    log.warn({ alias, kind }, "the alias belongs to a room that is not ours: the new room gets none");
  const roomId = inside
    ? existing.roomId
    : await makeRoom(context, kind, room, existing === null ? localpart : null);
  await raiseOperators(context, roomId);
  return { roomId, ours: true };
};

const joinConfigured = async (
  { beforeJoin, client }: RoomsContext,
  kind: RoomKind,
  idOrAlias: string,
): Promise<AgentRoom> => {
  try {
    await beforeJoin?.(idOrAlias);
    return { roomId: await client.join(idOrAlias), ours: false };
  } catch (error) {
    if (!(error instanceof MatrixError) || error.kind !== "refused") throw error;
    throw new MatrixError(
      "refused",
      `rooms.${kind}.room: cannot join ${idOrAlias}: ${error.message}; invite ${client.userId} there, or correct the room`,
      {
        ...(error.status === null ? {} : { status: error.status }),
        ...(error.errcode === null ? {} : { errcode: error.errcode }),
        cause: error,
      },
    );
  }
};

const configuredAs = (config: RoomsConfig, device: string, kind: RoomKind): string =>
  config[kind].room ?? `made for ${device}`;

/** The room that an earlier run joined or made under the same configuration, or null: known without asking the server. */
export const knownRoom = (
  store: Store,
  { device, rooms }: { readonly device: { readonly name: string }; readonly rooms: RoomsConfig },
  kind: RoomKind,
): AgentRoom | null => remembered(store, kind, configuredAs(rooms, device.name, kind));

const ensureRoom = async (context: RoomsContext, kind: RoomKind): Promise<AgentRoom> => {
  const room = context.config[kind];
  const configured = configuredAs(context.config, context.device, kind);
  const known = remembered(context.store, kind, configured);
  if (known !== null) return known;
  const found =
    room.room === undefined
      ? await makeOrFind(context, kind, room)
      : await joinConfigured(context, kind, room.room);
  await remember(context.store, kind, configured, found);
  return found;
};

/** Both rooms, from memory where they are known. Rejects with `MatrixError`; may be called again. */
export const ensureRooms = async (context: RoomsContext): Promise<AgentRooms> => ({
  data: await ensureRoom(context, "data"),
  people: await ensureRoom(context, "people"),
});
