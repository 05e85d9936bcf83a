// Bounds of the watch for copies, each with its reason.

/** How often a running agent raises its mark: a store that was put back is found out when it is older than this. One small request. */
export const RAISE_EVERY_MS = 3_600_000;

/** How often a running agent insists against copies that start beside it; then it stops as well: something does not understand it. */
export const OBJECTIONS_MAX = 3;

/** Random bytes of a mark: nobody else makes the same. */
export const NONCE_BYTES = 16;

/** Random bytes that a store hashes its board and boots with: the homeserver learns neither. */
export const SALT_BYTES = 32;

/** A serial number longer than this is none. */
export const SERIAL_CHARS_MAX = 200;
