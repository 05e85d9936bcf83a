// Bounds of the alarms, each with its reason.

/** Of a text value, as much as an event and a message repeat. */
export const VALUE_CHARS_MAX = 256;

/** The operator's own words of an alarm: they stand in a message that a phone shows whole. */
export const TEXT_CHARS_MAX = 500;

/** What was raised or cleared before the rooms are known waits; a device that never reached its server must not fill its disk with it. */
export const NEWS_MAX = 400;

/** After a store that had too many transactions waiting. */
export const STORE_RETRY_MS = 1000;

/** Random bytes of an alarm's ID: eight characters, which a person can type, and among the alarms of one device no two alike. */
export const ID_BYTES = 5;

/** Lines of an answer of `alarms`. */
export const SHOWN_MAX = 30;
