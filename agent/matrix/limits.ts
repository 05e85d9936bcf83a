// Every bound of the Matrix client, with its reason. Times in milliseconds, sizes in bytes.

/** Until the first byte of an answer: servers answer in milliseconds, a satellite link in seconds, a join over federation in tens of them. */
export const ANSWER_TIMEOUT_MS: number = 60_000;
/** Between two chunks of an answer: a link that brings nothing for so long is dead. */
export const BODY_IDLE_MS: number = 30_000;
/** For a whole exchange, whatever trickles: no call holds a lane for longer. */
export const EXCHANGE_MAX_MS: number = 900_000;
/** The slowest link for which an upload is waited for: 16 kbit/s, a poor 2G connection. */
export const UPLOAD_BYTES_PER_SECOND_MIN: number = 2_000;
/** A JSON answer. A first sync of a few rooms takes tens of kilobytes, the members of a large room some megabytes; a Pi Zero has 512 MB in all. */
export const JSON_BYTES_MAX: number = 32 * 1024 * 1024;
/** The body of an error, however small the wanted answer may be: a sentence, or a proxy's page. */
export const ERROR_BYTES_MAX: number = 64 * 1024;
/** Connections to one server: the long poll, a lane or two of sends, one to spare. */
export const SOCKETS_MAX: number = 6;
/** An idle connection is closed by us before NAT boxes and servers forget it in silence. */
export const SOCKET_IDLE_MS: number = 20_000;
/** Before the next address of a name is tried. Node's own 250 ms gives up on each of them where a round trip takes longer (satellite, 2G). */
export const ADDRESS_ATTEMPT_MS: number = 3_000;
/** MSC4402 wants redirects followed; five is what browsers of old allowed. */
export const REDIRECTS_MAX: number = 5;
/** A well-known file is a few hundred bytes. */
export const WELL_KNOWN_BYTES_MAX: number = 64 * 1024;
/** The server's own sentence in an error of ours. */
export const SERVER_TEXT_MAX: number = 200;

/** First delay after a failure, doubled each time. */
export const RETRY_BASE_MS: number = 1_000;
/** Longest delay between two tries: a server that came back is found within a minute. */
export const RETRY_MAX_MS: number = 60_000;
/** Longest `Retry-After` obeyed as it stands: Synapse asks for 333 s after five logins. */
export const RETRY_AFTER_MAX_MS: number = 3_600_000;
/** A locked account or a server over its quota: an administrator's hand is needed, minutes do not matter. */
export const RETRY_SLOW_MS: number = 300_000;
/** A 5xx with a Matrix error is the server's own answer (Conduit: 500 for an unknown room): some 55 minutes of it and the request is given up. */
export const SERVER_ERROR_TRIES_MAX: number = 60;

/** An access token is renewed this long before it expires (Synapse gives five minutes), or at half of its life if that is shorter. */
export const RENEW_AHEAD_MS: number = 60_000;
/** No second login within a minute: servers allow about five an hour and address. */
export const LOGIN_PAUSE_MS: number = 60_000;

/** A whole event in its federation format, canonical JSON ("Size limits"). */
export const EVENT_BYTES_MAX: number = 65_536;
/** What the server adds around content, type, room, sender and state key, at its worst: 20 prev_events and 10 auth_events of 47 bytes, hashes (70), one signature with its server's name of 255 bytes (400), depth, time and the names of the fields (200). */
export const ENVELOPE_BYTES_MAX: number = 2_048;
/** `type`, `state_key`, `sender`, `room_id` and event IDs, in bytes ("Size limits"). */
export const IDENTIFIER_BYTES_MAX: number = 255;
/** Nesting of content: deeper is a programming error, and Python's parsers stop at about 1,000. */
export const CONTENT_DEPTH_MAX: number = 100;

/** How long the server may hold a sync without news. */
export const LONG_POLL_MS: number = 30_000;
/** What a held sync may take over its time before the connection counts as dead. */
export const LONG_POLL_GRACE_MS: number = 20_000;
/** Events of one room in one sync answer; more is a gap, and filled. Synapse cuts at 100. */
export const TIMELINE_LIMIT: number = 50;
/** Events of one page when a gap is filled. */
export const GAP_PAGE_EVENTS: number = 100;
/** Events fetched for one gap: a day of a busy room; older ones are given up and said to be. */
export const GAP_EVENTS_MAX: number = 2_000;
/** Pages asked for one gap: with a filter, pages may be empty and still not the last. */
export const GAP_PAGES_MAX: number = 60;
/** Bytes fetched for one gap, as JSON: 2,000 events of 64 kB would not fit a small board. */
export const GAP_BYTES_MAX: number = 8 * 1024 * 1024;
/** Tries of a gap that the server answers with 5xx before it is given up (Dendrite: 500 after leaving). */
export const GAP_TRIES_MAX: number = 4;
/** Event IDs remembered for each room: ten first syncs of a room replayed. */
export const SEEN_PER_ROOM_MAX: number = 2_000;
/** How far a room may run over before it is trimmed, so that not each batch deletes one row. */
export const SEEN_SLACK: number = 200;
/** Event IDs remembered in all, about 6 MB: for an account in very many rooms. */
export const SEEN_MAX: number = 50_000;
/** Answers in a row without a new position before the loop slows down: a server or proxy that does not hold the poll, or says the same again and again. */
export const EMPTY_POLLS_MAX: number = 10;
export const EMPTY_POLL_PAUSE_MS: number = 1_000;
/** Pieces of text that an invite or a room of a hostile server may bring are bounded by JSON_BYTES_MAX; rooms whose creators are remembered, by this. */
export const CREATORS_CACHED_MAX: number = 256;

/** After a store that had too many transactions waiting, the same sync is asked for again. */
export const STORE_BUSY_PAUSE_MS = 1_000;

/** Levels of nesting in an answer: the 128 that canonical JSON is written to (crypto/limits.ts; serde_json, so Conduit, reads no more) within a sync's envelope of fewer than ten, with room. */
export const NESTING_MAX = 160;
