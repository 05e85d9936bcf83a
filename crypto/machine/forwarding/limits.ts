// The maxima and periods of key requests, each with its reason.

const MINUTE_MS = 60_000;
const DAY_MS: number = 24 * 60 * MINUTE_MS;

/** Sessions that we ask for at a time; the oldest is given up for the newest. Each is a message to every device of ours. */
export const KEY_REQUESTS_MAX = 100;

/** How long an answer is taken, and the request stands. Devices are asleep for days. */
export const KEY_REQUEST_MS: number = 14 * DAY_MS;

/** How long a request of another device waits for that device to be verified here: it may ask while the verification is just ending. */
export const KEY_ANSWER_MS: number = 10 * MINUTE_MS;

/** Requests of others that wait at a time; more are dropped. A device that was just set up asks for a room's backlog of sessions. */
export const KEY_ANSWERS_MAX = 200;

/** Answers made in one call: each encrypts a message, and the loop runs on in between. */
export const KEY_ANSWERS_PER_CALL = 20;

/** Characters of the ID of another device's request. */
export const REQUEST_ID_CHARS_MAX = 255;

/** Characters of a room's or session's ID that somebody asks for: the specification's 255 bytes for the one, 43 for the other. */
export const ID_CHARS_MAX = 255;
