// Bounds of delivery, each with its reason.

/** Packed events of the bulk lane that wait to be sent; more would only move readings from the journal into the outbox early, as smaller events. */
export const BULK_WAITING_MAX = 2;

/**
 * Pages of 100 events that are searched for an attempt in doubt before it is taken as absent and sent again under its transaction ID. The search ends
 * earlier at the newest event of ours from before the attempt; 5,000 events of others in between are days of a busy room.
 */
export const SEARCH_PAGES_MAX = 50;
export const SEARCH_PAGE_EVENTS = 100;

/** A room that refuses us (not a member, not allowed) is tried again this often: an operator can mend it at any time. */
export const ROOM_REFUSED_RETRY_MS = 300_000;

/** Dead letters kept; the oldest go first. */
export const DEAD_LETTERS_MAX = 1000;

/** After a store that would not take an event, packing is tried again. */
export const PACK_RETRY_MS = 5_000;

/** After a store that had too many transactions waiting, sending is. */
export const STORE_RETRY_MS = 1_000;

/** Live readings that are older than this, and more than one event, become a backlog: new ones go ahead of them. A minute is what an operator still calls live. */
export const LIVE_AGE_MAX_MS = 60_000;

/** Random bytes of a stream's name: 72 bits. */
export const STREAM_NAME_BYTES = 9;
