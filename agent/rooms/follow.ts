// Follows what comes into a room, beside the agent's own sync and without disturbing it: a second /sync with a position of its own would make the server
// drop to-device messages that the first has not seen. So it looks at the newest page every so often; that holds on every server.
import { retried } from "#agent/matrix/retry.ts";
import { type MatrixClient, MatrixError, type RoomEvent } from "#agent/matrix/types.ts";
import { pause, type Runtime } from "#agent/runtime.ts";

export interface FollowOptions {
  /** Events of the past that are shown first, at most. */
  readonly past: number;
  readonly everyMs: number;
}

const PAGE = 50;
/** A burst longer than this between two looks is not paged back further: a follower that was suspended for hours begins anew. */
const PAGES_MAX = 20;
const SEEN_MAX = 5000;

/** What is newer than everything seen, oldest first. */
const newer = async (
  client: MatrixClient,
  roomId: string,
  seen: ReadonlySet<string>,
  most: number,
): Promise<RoomEvent[]> => {
  const found: RoomEvent[] = [];
  let from: string | undefined;
  for (let page = 0; page < PAGES_MAX && found.length < most; page += 1) {
    const limit = Math.min(PAGE, most - found.length);
    const { events, end } = await client.messages(roomId, {
      direction: "b",
      limit,
      ...(from === undefined ? {} : { from }),
    });
    const known = events.findIndex(({ eventId }) => seen.has(eventId));
    found.push(...(known === -1 ? events : events.slice(0, known)));
    if (known !== -1 || end === null || events.length === 0) break;
    from = end;
  }
  return found.reverse();
};

/** Calls `onEvent` for the last `past` events and then for each new one, in order, until the signal is aborted. */
export const followRoom = async (
  client: MatrixClient,
  roomId: string,
  options: FollowOptions,
  runtime: Runtime,
  signal: AbortSignal,
  onEvent: (event: RoomEvent) => void,
): Promise<void> => {
  const seen = new Set<string>();
  let first = true;
  while (!signal.aborted) {
    // The first look takes one event more than asked for, so that there is one that is known even if none is to be shown.
    const most = first ? Math.max(1, options.past) : PAGE * PAGES_MAX;
    const events = await retried(runtime, signal, () => newer(client, roomId, seen, most));
    for (const event of events) {
      seen.add(event.eventId);
      if (!first || options.past > 0) onEvent(event);
    }
    for (const eventId of seen) {
      if (seen.size <= SEEN_MAX) break;
      seen.delete(eventId);
    }
    first = false;
    await pause(runtime.timers, options.everyMs, signal);
  }
};

/** The ID of a room that a person named by ID or alias. */
export const roomIdOf = async (client: MatrixClient, idOrAlias: string): Promise<string> =>
  idOrAlias.startsWith("#") ? (await client.resolveAlias(idOrAlias)).roomId : idOrAlias;

/** Follows a room that a person named. Rejects with a `MatrixError` that names it and says what would help. */
export const followNamed = async (
  client: MatrixClient,
  idOrAlias: string,
  options: FollowOptions,
  runtime: Runtime,
  signal: AbortSignal,
  onEvent: (event: RoomEvent) => void,
): Promise<void> => {
  try {
    await followRoom(client, await roomIdOf(client, idOrAlias), options, runtime, signal, onEvent);
  } catch (error) {
    if (!(error instanceof MatrixError) || error.kind !== "refused") throw error;
    const status = error.status === null ? {} : { status: error.status };
    const text = `cannot follow ${idOrAlias}: ${error.message}; name a room that ${client.userId} is in`;
    throw new MatrixError("refused", text, { ...status, cause: error });
  }
};
