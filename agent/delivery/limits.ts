// Bounds of delivery, each with its reason.
import type { Lane } from "./lanes.ts";

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

/** Tokens that each lane leaves in the budget of events: one stays for an alarm. More would only make readings wait longer after each refusal. */
export const RESERVES: Readonly<Record<Lane, number>> = { alarm: 0, reply: 0.5, state: 1, bulk: 1 };

/** Tokens that are saved up at most: Synapse's default burst (`rc_message`: 0.2 a second, burst 10). More would be refused. */
export const BURST_MAX = 10;

/** Events a second. Below: a server that answers 429 to all is asked once in 100 s all the same. Above: faster than a device sends, so no limit at all. */
export const RATE_MIN = 0.01;
export const RATE_MAX = 50;

/** A rate that was kept to for so long without a refusal is raised by this factor: a limit that was lifted is found out within the hour, at one refusal a try. */
export const RATE_PROBE_MS = 600_000;
export const RATE_STEP = 1.5;

/** More than so many plain events' readings of one part wait: they go as packs. Below, an event that people can read serves as well. */
export const PACK_FROM_EVENTS = 5;

/** Readings that the first pack is tried with; later ones go by what went in. */
export const PACK_FIRST_READINGS = 4_000;

/** Readings taken out for one pack, in rough bytes: they are in memory all at once. */
export const PACK_TAKE_BYTES_MAX: number = 2 * 1024 * 1024;
