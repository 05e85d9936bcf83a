// Every named maximum and period of the machine, each with its reason.

const SECOND_MS = 1000;
const MINUTE_MS: number = 60 * SECOND_MS;
const HOUR_MS: number = 60 * MINUTE_MS;
export const DAY_MS: number = 24 * HOUR_MS;

/** One-time keys that a server should hold: what libolm and vodozemac keep there; servers bound it near 100. */
export const ONE_TIME_KEYS_TARGET = 50;

/** Below this many they are topped up, where a fallback key bridges the time between: an upload per claim would waste a metered link. */
export const ONE_TIME_KEYS_LOW = 25;

/** How far the key counter jumps after a collision: more keys than a device makes between two copies of its store. 2^33 such jumps fit in an integer. */
export const KEY_ID_JUMP = 1_048_576;

/** Refused uploads in a row that are answered with new keys at once: one jump clears a collision, so a third refusal has another reason. */
export const UPLOAD_REFUSALS_MAX = 3;

/** After that: how long until the next try. The reason is on the server's side or in its configuration; an hour does not flood it. */
export const UPLOAD_RETRY_MS: number = HOUR_MS;

/** A fallback key's longest life on the server (matrix-sdk-crypto: a week). */
export const FALLBACK_KEY_MAX_MS: number = 7 * DAY_MS;

/** How long the previous fallback key stays after the current one was first used: for messages under way (specification: "about an hour"). */
export const FALLBACK_KEY_GRACE_MS: number = HOUR_MS;

/** Digits of a request's number in its ID: IDs sort as they were made, beyond any number of requests that a device makes. */
export const REQUEST_NUMBER_DIGITS = 12;

/**
 * Users in one /keys/query and devices in one /keys/claim (matrix-sdk-crypto: 250; hydrogen-web#330: over 500 time out on servers and are lost
 * as a whole), where none of them, one time, more often was in a request that was refused for good: one that cannot be asked for is soon alone.
 */
export const REFUSED_BATCH_SIZES: readonly number[] = [250, 16, 1];

/** Users that a notice names: a line for a person. */
export const USERS_NAMED_MAX = 5;

/** Devices kept of one user. People have a few, bots a few hundred; each costs a row and a signature check, and the server chooses the number. */
export const DEVICES_PER_USER_MAX = 1_000;

/** The first wait after a server or device did not answer; it doubles from there (matrix-sdk-crypto: 15 s). */
export const BACKOFF_FIRST_MS: number = 15 * SECOND_MS;

/** The longest such wait: a server that comes back is noticed within it. */
export const BACKOFF_MAX_MS: number = 15 * MINUTE_MS;

/** Olm sessions kept per device, the least recently used go. A peer may answer on any of its last ones; matrix-sdk-crypto keeps about as many. */
export const OLM_SESSIONS_PER_DEVICE_MAX = 5;

/** Characters of one Olm ciphertext that are looked at: an event has 64 KiB, and so has what it carries. */
export const OLM_BODY_CHARS_MAX = 131_072;

/** How seldom a session that is broken is replaced, per device (specification: once an hour). Each costs the peer a one-time key. */
export const UNWEDGE_EVERY_MS: number = HOUR_MS;

/** To-device messages in one request (matrix-sdk-crypto: 250). */
export const TO_DEVICE_MESSAGES_MAX = 250;

/** How long the hash of a received Olm message is kept: servers repeat messages after failed syncs, days later at most. */
export const SEEN_MESSAGES_MS: number = 7 * DAY_MS;

/** Hashes kept at the same time, the oldest go first: 32 bytes each and a row. */
export const SEEN_MESSAGES_MAX = 10_000;

/** How long a room key is used where the room says nothing (specification: a week). */
export const ROTATION_MS_DEFAULT: number = 7 * DAY_MS;

/** The shortest period that a room can ask for (matrix-sdk-crypto: an hour): each rotation is a message to every device. */
export const ROTATION_MS_MIN: number = HOUR_MS;

/** How many events a room key encrypts where the room says nothing (specification: 100). */
export const ROTATION_MESSAGES_DEFAULT = 100;

/** The most that a room can ask for (matrix-sdk-crypto): beyond it a stolen key reads too much. */
export const ROTATION_MESSAGES_MAX = 10_000;

/** Message indexes remembered in one block. A block is forgotten in one transaction: a thousand rows. */
export const REPLAY_BLOCK_INDEXES = 1_024;

/** Blocks of a session: together more than the longest session that a room may ask for (ROTATION_MESSAGES_MAX). Who sends more is no honest client. */
export const REPLAY_BLOCKS_MAX = 10;

/** How long a session that sees no new event is remembered, in days: sessions live a week, and a device that was away longer reads what it missed anew. */
export const REPLAY_KEPT_DAYS = 60;

/** Days looked through at a time for something to forget: a clock that was set anew may have skipped thousands. */
export const IDLE_DAYS_PER_CALL = 100;

/** Characters of a Megolm ciphertext that are looked at: an event has 64 KiB. */
export const MEGOLM_BODY_CHARS_MAX = 131_072;

/** Refusals that are remembered of one room: they come in clear, from anybody. Sessions rotate weekly, members are few hundred. */
export const WITHHELD_PER_ROOM_MAX = 1_000;

/** Characters of a reason that somebody gives for withholding a key: a line for a person. */
export const REASON_CHARS_MAX = 200;

/** How long until our device is signed again where the server does not show the signature, or did not take it: it will not at once either. */
export const SIGN_AGAIN_MS: number = HOUR_MS;

/** Devices taken in one part of a /keys/query answer: two signatures each, some 0.2 ms together, five times that on a Pi. Between two parts the loop turns. */
export const QUERY_SLICE_DEVICES = 25;

/** Keys taken in one part of a /keys/claim answer: a signature and three agreements each, some 0.5 ms. */
export const CLAIM_SLICE_DEVICES = 10;

/**
 * Devices looked at in one part of sharing a room key, some 0.15 ms each where it is given. One part is one /sendToDevice, and complement-crypto asks that a hundred
 * messages go together.
 */
export const SHARE_SLICE_DEVICES = 100;

/** Devices that have the key, looked at in one part: may they still? */
export const SHARE_CHECK_DEVICES = 250;
