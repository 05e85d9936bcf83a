// Looks in the room for an attempt in doubt (DESIGN 5): servers forget transaction IDs (Dendrite at a restart, Synapse after a day), the room does not forget events.
import type { MatrixClient } from "#agent/matrix/types.ts";
import { SEARCH_PAGE_EVENTS, SEARCH_PAGES_MAX } from "./limits.ts";
import { type OutboxRow, TXN_KEY } from "./outbox.ts";

/** The event ID under which the row is in the room already, or null. Searches back to the newest event of ours before the first attempt. */
export const findInRoom = async (client: MatrixClient, row: OutboxRow): Promise<string | null> => {
  let from: string | undefined;
  for (let page = 0; page < SEARCH_PAGES_MAX; page += 1) {
    const query = {
      direction: "b" as const,
      limit: SEARCH_PAGE_EVENTS,
      ...(from === undefined ? {} : { from }),
    };
    const { events, end } = await client.messages(row.roomId, query);
    const found = events.find(
      ({ sender, content }) => sender === client.userId && content[TXN_KEY] === row.txnId,
    );
    if (found !== undefined) return found.eventId;
    if (end === null || events.length === 0 || events.some(({ eventId }) => eventId === row.afterEvent))
      return null;
    from = end;
  }
  return null;
};
