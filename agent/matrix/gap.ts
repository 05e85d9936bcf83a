// Filling a gap of a room's timeline through /messages (Client-Server API, "Syncing", "Getting message events"): backwards from `prev_batch`
// to the position that we had. Bounded in events and bytes; the newest are kept, and that some are missing is said.
import { pathOf } from "./call.ts";
import { parseRoomEvents } from "./events.ts";
import { asList, asString, field } from "./json.ts";
import { GAP_BYTES_MAX, GAP_EVENTS_MAX, GAP_PAGE_EVENTS, GAP_PAGES_MAX } from "./limits.ts";
import { type JsonObject, type MatrixClient, MatrixError, type RoomEvent } from "./types.ts";

export interface Gap {
  readonly roomId: string;
  readonly from: string;
  /** The position that we had; null when the server no longer knows it: the first page with an event seen before is then the last one. */
  readonly to: string | null;
}

export interface GapContext {
  readonly client: Pick<MatrixClient, "request">;
  readonly filter: JsonObject;
  readonly signal: AbortSignal;
  /** Whether any event of this room was handed on before: without one, paging back without a position would end nowhere. */
  readonly roomIsKnown: boolean;
  seen(eventId: string): boolean;
}

export interface Filled {
  /** Oldest first; those seen before are among them. */
  readonly events: readonly RoomEvent[];
  /** The gap was longer than what is fetched, or the server would not show it. */
  readonly truncated: boolean;
}

interface Page {
  readonly events: readonly RoomEvent[];
  readonly end: string | null;
  readonly bytes: number;
}

const fetchPage = async (context: GapContext, gap: Gap, from: string): Promise<Page> => {
  const body = await context.client.request(
    "GET",
    pathOf("/_matrix/client/v3/rooms", gap.roomId, "messages"),
    {
      query: {
        dir: "b",
        from,
        ...(gap.to === null ? {} : { to: gap.to }),
        limit: String(GAP_PAGE_EVENTS),
        filter: JSON.stringify(context.filter),
      },
      signal: context.signal,
    },
  );
  const chunk = asList(field(body, "chunk"));
  return {
    events: parseRoomEvents(chunk, gap.roomId),
    end: asString(field(body, "end")),
    bytes: JSON.stringify(chunk).length,
  };
};

// Servers end a gap in two ways: no `end`, or one that stands still. An empty page is not the last where a filter left its events out.
const isLast = (page: Page, from: string): boolean => page.end === null || page.end === from;

// Without a position: what is older than everything known on the page with the first known event is history, not part of the gap.
const withoutHistory = (page: Page, seen: (eventId: string) => boolean): readonly RoomEvent[] =>
  page.events.slice(0, page.events.findLastIndex((event) => seen(event.eventId)) + 1);

// A server that ignores `to` would lead back to the beginning of the room.
const allKnown = (page: Page, seen: (eventId: string) => boolean): boolean =>
  page.events.length > 0 && page.events.every((event) => seen(event.eventId));

const fill = async (context: GapContext, gap: Gap): Promise<Filled> => {
  const newestFirst: RoomEvent[] = [];
  let from = gap.from;
  let bytes = 0;
  let pages = 0;
  const result = (truncated: boolean): Filled => ({ events: newestFirst.toReversed(), truncated });
  try {
    while (newestFirst.length < GAP_EVENTS_MAX && bytes < GAP_BYTES_MAX && pages < GAP_PAGES_MAX) {
      const page = await fetchPage(context, gap, from);
      const upToTheKnown = gap.to === null ? withoutHistory(page, context.seen) : [];
      newestFirst.push(...(upToTheKnown.length > 0 ? upToTheKnown : page.events));
      bytes += page.bytes;
      pages += 1;
      const done = upToTheKnown.length > 0 || isLast(page, from) || allKnown(page, context.seen);
      if (done) return result(false);
      from = page.end ?? from;
    }
    return result(true);
  } catch (error) {
    if (error instanceof MatrixError && error.kind === "refused") return result(true);
    throw error;
  }
};

/** Rejects with what stopped the server from answering; a refusal is an answer, and gives what was had so far, truncated. */
export const fillGap = async (context: GapContext, gap: Gap): Promise<Filled> => {
  const filled = await fill(context, gap);
  const refusedAtOnce = filled.truncated && filled.events.length === 0;
  if (!refusedAtOnce || gap.to === null || !context.roomIsKnown) return filled;
  // A server that took a position it does not know for none (Conduit) refuses it here: back to what was seen, then.
  return fill(context, { ...gap, to: null });
};
