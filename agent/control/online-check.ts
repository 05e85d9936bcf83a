// Does the homeserver agree with the configuration: asked by `petrel check --online`, with the session of the running agent or with the stored one.
import type { Config } from "#agent/config/config.ts";
import { type MatrixClient, MatrixError } from "#agent/matrix/types.ts";
import { roomIdOf } from "#agent/rooms/follow.ts";
import type { RoomKind } from "#agent/rooms/rooms.ts";

const KINDS: readonly RoomKind[] = ["data", "people"];

const resolved = async (client: MatrixClient, key: string, named: string): Promise<string> => {
  try {
    return await roomIdOf(client, named);
  } catch (error) {
    if (!(error instanceof MatrixError) || error.kind !== "refused") throw error;
    const status = error.status === null ? {} : { status: error.status };
    throw new MatrixError("refused", `${key}: ${error.message}`, { ...status, cause: error });
  }
};

const roomNotes = async (
  client: MatrixClient,
  config: Config,
  joined: readonly string[],
): Promise<string[]> => {
  const notes: string[] = [];
  for (const kind of KINDS) {
    const named = config.rooms[kind].room;
    if (named === undefined) continue;
    const key = `rooms.${kind}.room`;
    const inside = joined.includes(await resolved(client, key, named));
    notes.push(
      inside
        ? `${key}: ${named}: joined`
        : `${key}: ${named}: not joined yet; \`petrel run\` joins it if ${client.userId} is invited or the room is open`,
    );
  }
  return notes;
};

/** What a person is told. Rejects with `MatrixError` where the server does not agree. */
export const onlineNotes = async (client: MatrixClient, config: Config): Promise<string[]> => {
  const { versions } = await client.versions();
  const joined = await client.joinedRooms();
  return [
    `${client.baseUrl}: logged in as ${client.userId}, device ${client.deviceId}`,
    `${client.baseUrl}: speaks Matrix up to ${versions.at(-1) ?? "an unknown version"}; in ${joined.length} rooms`,
    ...(await roomNotes(client, config, joined)),
  ];
};
