// Bounds of telemetry, each with its reason.

/**
 * Bytes that the readings of one plain event may take, a single one included. The homeserver's limit is 65,536 for the whole event, encryption
 * inflates by 4/3, and the event has fields of its own (name, stream, losses): 44,200 * 4/3 leaves 6,600 for them. 32,768 bytes in base64 fit.
 */
export const READINGS_BYTES_MAX = 44_200;

/** Latest time that a calendar can show (ECMA-262, "Time Values and Time Range"), in milliseconds: what is beyond it is no time of a sample. */
export const TIME_MS_MAX = 8_640_000_000_000_000;
