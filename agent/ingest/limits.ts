// Bounds of what drivers may hand up, each with its reason.

/** Bytes of a reading's name: it is repeated in every event. */
export const NAME_BYTES_MAX = 255;

/** Names whose last value is kept for the status message and `get`: a driver that makes up names must not fill the memory. */
export const LAST_VALUES_MAX = 2000;

/** Characters of a text value that the status message and `get` show: 2,000 whole ones could be 60 MB. Longer bytes are kept as their number only. */
export const LAST_VALUE_CHARS_MAX = 256;

/** A driver that has not started, or stopped, by then is left alone: it must hold up neither the others nor the agent. */
export const DRIVER_START_MS = 10_000;
export const DRIVER_STOP_MS = 5_000;
