// Bounds of what drivers may hand up, each with its reason.

/** Bytes of a reading's name: it is repeated in every event. */
export const NAME_BYTES_MAX = 255;

/** Bytes of a text or bytes value: one reading must fit into one event with room to spare. */
export const VALUE_BYTES_MAX = 32_768;

/** Names whose last value is kept for the status message and `get`: a driver that makes up names must not fill the memory. */
export const LAST_VALUES_MAX = 2000;
