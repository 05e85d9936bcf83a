// A room of the agent's own, as its store remembers it.
import { CliError, EXIT } from "#agent/exit.ts";
import { knownRoom, type RoomKind } from "#agent/rooms/rooms.ts";
import type { Store } from "#agent/store/store.ts";
import { hasStore, type Setting } from "./setting.ts";

const unknown = (kind: RoomKind): CliError =>
  new CliError(
    EXIT.failed,
    `the ${kind} room is not known: the agent never reached its homeserver with this configuration; \`petrel run\` makes or joins its rooms`,
  );

/** The room's ID. Throws a `CliError` where the agent never came so far. */
export const ownRoom = (store: Store, { config }: Setting, kind: RoomKind): string => {
  const room = knownRoom(store, config, kind);
  if (room === null) throw unknown(kind);
  return room.roomId;
};

/** As above where there is no store yet: none is made only to look into it. */
export const mustHaveRun = (setting: Setting, kind: RoomKind): void => {
  if (!hasStore(setting)) throw unknown(kind);
};
