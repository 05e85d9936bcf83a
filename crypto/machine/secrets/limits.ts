// The maxima and periods of secrets, each with its reason.

const MINUTE_MS = 60_000;

/** How long a request of another device waits for that device to be verified here: it is sent while the verification is just ending. */
export const ANSWER_MS: number = 10 * MINUTE_MS;

/** Requests of others that wait at a time; beyond that the newest are dropped. Four secrets and a few devices ask at once. */
export const ANSWERS_MAX = 32;

/** How long an answer to our own request is taken. Devices are asleep for days. */
export const REQUEST_MS: number = 14 * 24 * 60 * MINUTE_MS;

/** How seldom the same secret is asked for by itself. */
export const ASK_AGAIN_MS: number = 60 * MINUTE_MS;

/** Characters of a secret that is taken: keys have 43. */
export const SECRET_CHARS_MAX = 1_000;

/** Characters of a request's ID that is taken. */
export const REQUEST_ID_CHARS_MAX = 255;
