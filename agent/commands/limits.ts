// Bounds of commands, each with its reason.

/** A longer text is no command: people write prose too. */
export const COMMAND_CHARS_MAX = 2000;

/** Words of one command. */
export const COMMAND_WORDS_MAX = 32;

/** Bytes of a program's output that a reply shows; the rest is counted. */
export const PROGRAM_OUTPUT_BYTES_MAX = 4096;

/** From the polite end of a program to the certain one. */
export const PROGRAM_KILL_AFTER_MS = 2000;

/** Digits of a confirmation code: short enough to be typed on a phone; with three tries one guess in 300,000 hits. */
export const CODE_DIGITS = 6;

/** Wrong codes after which the command that waits is void. */
export const CODE_TRIES_MAX = 3;

/** Commands that wait for a code at a time; who asks for more has forgotten the others. */
export const CODES_OPEN_MAX = 20;

/** Codes remembered, so that one that comes late or twice is told from one that never was. */
export const CODES_KEPT_MAX = 200;

/** Refusals that are answered per sender and minute: a flood must not spend the device's budget of events. */
export const REFUSALS_PER_MINUTE_MAX = 5;

/** A command whose stamp lies further ahead of our clock than this is not believed. */
export const FUTURE_MS_MAX = 60_000;

/** Commands remembered, so that none runs twice; older ones are stale by their age anyway. */
export const COMMANDS_KEPT_MAX = 10_000;

/** Characters of a reply: a person reads it, and with every escape it fits into an event. */
export const REPLY_CHARS_MAX = 8_000;

/** Replies that wait to be sent. A flood of questions while the server limits our rate must not fill the store: what comes then is not run. */
export const REPLIES_WAITING_MAX = 200;

/** After a store that had too many transactions waiting. */
export const STORE_RETRY_MS = 1_000;
