// Bounds of delivery, each with its reason.

/** Bytes that the readings of one plain event may need: the homeserver's limit is 65,536 for the whole event, and encryption inflates by 1.37. */
export const EVENT_READINGS_BYTES_MAX = 44_000;

/** Packed events of the bulk lane that wait to be sent; more would only move readings from the journal into the outbox early, as smaller events. */
export const BULK_WAITING_MAX = 2;

/** Pages of 100 events that are searched for an attempt in doubt before it is taken as absent and sent again under its transaction ID. */
export const SEARCH_PAGES_MAX = 50;
export const SEARCH_PAGE_EVENTS = 100;

/** A room that refuses us (not a member, not allowed) is tried again this often: an operator can mend it at any time. */
export const ROOM_REFUSED_RETRY_MS = 300_000;

/** Dead letters kept; the oldest go first. */
export const DEAD_LETTERS_MAX = 1000;
