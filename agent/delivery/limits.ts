// Bounds of delivery, each with its reason.
import { PACK_READINGS_MAX } from "#agent/telemetry/limits.ts";
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

/**
 * Waiting readings that go in the plain form at most, where nothing else is configured: a screenful. A pack is smaller from four readings on (of the bench's
 * trace 188 against 238 bytes; 32 readings 314 against 1,903; 400 readings 597 against 23,842), but nobody reads it without a program.
 */
export const PLAIN_READINGS_MAX = 32;

/** Readings that the first pack is tried with; later ones go by what went in. */
export const PACK_FIRST_READINGS = 4_000;

/** Readings taken out for one pack, in rough bytes: they are in memory all at once. */
export const PACK_TAKE_BYTES_MAX: number = 2 * 1024 * 1024;

/** A backlog of more events than this goes as a file: below, the upload is one request more than it saves. */
export const FILE_FROM_EVENTS = 4;

/** Readings in one file: what a reader takes (PACK_READINGS_MAX), 55 minutes of a drone at 80/s; 20 bytes each in memory while it is made. */
export const FILE_READINGS_MAX: number = PACK_READINGS_MAX;

/** A server that takes no file of so many takes none that is of use: an event holds as many. */
export const FILE_READINGS_MIN = 16_384;

/** Texts and bytes of one file, rough: they are in memory all at once. */
export const FILE_TAKE_BYTES_MAX: number = 32 * 1024 * 1024;

/** Losses that are told with one file: the event must have room for them. */
export const FILE_LOSSES_MAX = 100;
export const FILE_LOSS_BYTES_MAX = 16_384;

/** Chunks that are opened in one turn of the loop: up to 4,000 readings, a few milliseconds. */
export const FILE_CHUNKS_PER_TURN = 4;

/** Tries of one upload in a row: a network or proxy that cuts what is long may let events through. Then events for so long. */
export const FILE_TRIES_MAX = 4;
export const FILE_RETRY_MS = 600_000;

/** A server that refuses files (switched off, a quota) is asked again this often. */
export const FILE_REFUSED_MS = 3_600_000;

/** While a file is made and uploaded, live readings wait for their turn no longer than this: an upload may take minutes. */
export const LIVE_BESIDE_FILE_MS = 10_000;

/** How often live readings are looked at while a file is on its way for longer than that. */
export const FILE_LOOK_MS = 1_000;

/** What TCP, IP and TLS records add to what a socket counts: 52 bytes a segment of 1,400 and as many acknowledgements, and small requests more. Reckoned, not measured. */
export const LINK_OVERHEAD = 1.1;

/** A TLS handshake with a chain of two certificates, both ways; the socket does not count it. */
export const TLS_HANDSHAKE_BYTES = 6_000;

/** Bytes that the store counts ahead, so that it is written once for so many: 256 KiB, or a sixty-fourth of a day's limit where that is less. */
export const BYTES_RESERVE: number = 256 * 1024;
export const BYTES_RESERVE_SHARE: number = 1 / 64;

/** Rows of bytes by day and interface that are kept: months of a device with a few interfaces, whatever days its clock showed. */
export const BYTES_DAYS_ROWS_MAX = 400;

/** How often the route to the homeserver is looked at while something hangs on it: a network that came back is used within so long. */
export const ROUTE_LOOK_MS = 15_000;

/** The lanes are looked at no more often than this, however much is put: a bound may be missed by what comes meanwhile. */
export const LANES_REST_MS = 1_000;

/** And this often while something waits: an age is kept to within it. */
export const LANES_LOOK_MS = 60_000;

/** A learned rate is stored anew when it has changed by this factor: at a steady limit once a device's life. */
export const RATE_STORED_STEP = 1.25;
