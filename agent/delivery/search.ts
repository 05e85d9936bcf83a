// Looks in the room for an attempt in doubt (DESIGN 5): servers forget transaction IDs (Dendrite at a restart, Synapse after a day), the room does not forget events.
//
//   newest ... others' events ... [ours?] ... the newest event of ours from before the first attempt | history
//   <--- page --- page --- page ---          (found: settled)            the search ends here: absent
import type { MatrixClient, RoomEvent } from "#agent/matrix/types.ts";
import { SEARCH_PAGE_EVENTS, SEARCH_PAGES_MAX } from "./limits.ts";
import { type OutboxRow, TXN_KEY } from "./outbox.ts";

/** How far a search has come. Kept when a page fails: a rate limit in the middle of a long room must not send it back to the beginning for ever. */
export interface SearchProgress {
  from: string | null;
  pages: number;
}

/** An encrypted event shows nothing of its transaction ID; its ciphertext is its own, as no index of a ratchet is used twice. */
const isMadeOf = (row: OutboxRow, { content }: RoomEvent): boolean =>
  row.cipher === null
    ? content[TXN_KEY] === row.txnId
    : content["ciphertext"] === row.cipher["ciphertext"] &&
      content["session_id"] === row.cipher["session_id"];

export const beginSearch = (): SearchProgress => ({ from: null, pages: 0 });

/** The event ID under which the row is in the room already, or null if it is not. May be called again with the same progress after a rejection. */
export const findInRoom = async (
  client: Pick<MatrixClient, "messages" | "userId">,
  row: OutboxRow,
  progress: SearchProgress,
): Promise<string | null> => {
  while (progress.pages < SEARCH_PAGES_MAX) {
    const { from } = progress;
    const { events, end } = await client.messages(row.roomId, {
      direction: "b",
      limit: SEARCH_PAGE_EVENTS,
      ...(from === null ? {} : { from }),
    });
    const found = events.find((event) => event.sender === client.userId && isMadeOf(row, event));
    if (found !== undefined) return found.eventId;
    // An empty page is not the end of the room where the server left its events out; a position that stands still is.
    if (end === null || end === from || events.some(({ eventId }) => eventId === row.afterEvent)) return null;
    progress.from = end;
    progress.pages += 1;
  }
  return null;
};
