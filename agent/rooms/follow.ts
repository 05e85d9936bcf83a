// Follows what comes into a room, beside the agent's own sync and without disturbing it: a second /sync with a position of its own would make the server
// drop to-device messages that the first has not seen. So it looks at the newest page every so often; that holds on every server.
import { retried } from "#agent/matrix/retry.ts";
import { type MatrixClient, MatrixError, type RoomEvent } from "#agent/matrix/types.ts";
import { pause, type Runtime } from "#agent/runtime.ts";

export interface FollowOptions {
  /** The types of the events that are followed; a room holds others too. */
  readonly type: readonly string[];
  /** Such events of the past that are shown first, at most. */
  readonly past: number;
  readonly everyMs: number;
}

const PAGE = 50;
/** A burst longer than this between two looks is not paged back further: a follower that was suspended for hours begins anew. */
const PAGES_MAX = 20;
const SEEN_MAX = 5000;

/** What is newer than everything seen, oldest first: a page, and further ones until they are enough. */
const newer = async (
  client: MatrixClient,
  roomId: string,
  seen: ReadonlySet<string>,
  enough: (found: readonly RoomEvent[]) => boolean,
): Promise<RoomEvent[]> => {
  const found: RoomEvent[] = [];
  let from: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { events, end } = await client.messages(roomId, {
      direction: "b",
      limit: PAGE,
      ...(from === undefined ? {} : { from }),
    });
    const known = events.findIndex(({ eventId }) => seen.has(eventId));
    found.push(...(known === -1 ? events : events.slice(0, known)));
    if (known !== -1 || end === null || events.length === 0 || enough(found)) break;
    from = end;
  }
  return found.reverse();
};

/** Remembers what was seen, the newest of it. */
const note = (seen: Set<string>, events: readonly RoomEvent[]): void => {
  for (const { eventId } of events) seen.add(eventId);
  for (const eventId of seen) {
    if (seen.size <= SEEN_MAX) break;
    seen.delete(eventId);
  }
};

/** Calls `onEvent` for the last `past` events of the type and then for each new one, in order, until the signal is aborted. */
export const followRoom = async (
  client: MatrixClient,
  roomId: string,
  { everyMs, past, type }: FollowOptions,
  runtime: Runtime,
  signal: AbortSignal,
  onEvent: (event: RoomEvent) => void,
): Promise<void> => {
  const seen = new Set<string>();
  const wanted = (events: readonly RoomEvent[]): RoomEvent[] =>
    events.filter((event) => type.includes(event.type));
  const enough = (found: readonly RoomEvent[]): boolean => wanted(found).length >= past;
  for (let first = true; !signal.aborted; first = false) {
    const events = await retried(runtime, signal, () =>
      newer(client, roomId, seen, first ? enough : () => false),
    );
    note(seen, events);
    const shown = wanted(events);
    for (const event of first ? shown.slice(Math.max(0, shown.length - past)) : shown) onEvent(event);
    await pause(runtime.timers, everyMs, signal);
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
