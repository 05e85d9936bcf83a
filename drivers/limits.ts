// Every bound of this folder, with its reason. A driver must not be able to fill the memory, whatever its device sends.

/** One frame of a byte source. Long enough for a JSON line of a chatty device, short enough that noise without a newline is noticed soon. */
export const FRAME_BYTES_DEFAULT = 4_096;
/** What an operator may raise it to: the outcome must still fit into one event. */
export const FRAME_BYTES_MAX = 65_536;

/** A reading's name; RFC 8428 recommends less than 128 bits of IDs, MQTT topics made into names are longer. */
export const NAME_CHARS_MAX = 256;
/** One string or bytes value: must fit into one event (65,536 bytes) with base64 and the event's own fields. */
export const VALUE_BYTES_MAX = 32_768;
/** Rules of one driver. */
export const RULES_MAX = 256;
/** Readings taken from one payload when there are no rules. */
export const READINGS_PER_PAYLOAD_MAX = 64;
/** How deep a payload is searched when there are no rules. */
export const DEFAULT_DEPTH_MAX = 4;

/**
 * Readings that wait for `emit`, in estimated bytes of memory. A line of 921,600 baud brings 92,160 B/s; short lines of 10 bytes make
 * 9,216 readings/s of about 100 bytes each: 4 MiB hold 4.5 s of that, and far more of anything slower. Beyond it the newest are dropped and counted.
 */
export const WAITING_BYTES_MAX: number = 4 * 1024 * 1024;
/** Batches handed to `emit` and not settled yet; more would only lengthen the agent's queue. */
export const EMITS_IN_FLIGHT_MAX = 8;
/** Readings of one emit; larger ones would keep the event loop in one transaction for too long. */
export const BATCH_READINGS_MAX = 2_000;
/** What a stop grants to batches in flight before it gives them up and counts them. */
export const STOP_DRAIN_MS = 2_000;

/** Discarded input is logged as a sample at most this often per reason: noise on a line must not fill the log. */
export const SAMPLE_EVERY_MS = 60_000;
/** Bytes of discarded input shown in such a sample. */
export const SAMPLE_BYTES = 64;
