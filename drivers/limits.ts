// Every bound of this folder, with its reason. A driver must not be able to fill the memory, whatever its device sends.

/** One frame of a byte source. Long enough for a JSON line of a chatty device, short enough that noise without a newline is noticed soon. */
export const FRAME_BYTES_DEFAULT = 4_096;
/** What an operator may raise it to: the outcome must still fit into one event. */
export const FRAME_BYTES_MAX = 65_536;

/** A reading's name; RFC 8428 recommends less than 128 bits of IDs, MQTT topics made into names are longer. */
export const NAME_CHARS_MAX = 255;
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
 * 9,216 readings/s of about 90 bytes each: 4 MiB hold 5 s of that, and far more of anything slower. Beyond it the newest are dropped and counted.
 */
export const WAITING_BYTES_MAX: number = 4 * 1024 * 1024;
/** Batches handed to `emit` and not settled yet; more would only lengthen the agent's queue. */
export const EMITS_IN_FLIGHT_MAX = 8;
/**
 * Readings of one emit; larger ones would keep the event loop in one transaction for too long. With 8 in flight and a disk that takes 500 ms for a
 * sync that is 64,000 readings/s, more than a line of 921,600 baud can bring (46,080/s of two bytes each).
 */
export const BATCH_READINGS_MAX = 4_000;
/** What a stop grants to batches in flight before it gives them up and counts them. */
export const STOP_DRAIN_MS = 2_000;

/** Discarded input is logged as a sample at most this often per reason: noise on a line must not fill the log. */
export const SAMPLE_EVERY_MS = 60_000;
/** Bytes of discarded input shown in such a sample. */
export const SAMPLE_BYTES = 64;

/** A TCP device that does not answer a connection within this is off or unreachable; a slow radio link answers within a few seconds. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Idle time before TCP asks whether the other side still lives. */
export const KEEPALIVE_MS = 30_000;
/** A write that the system has not taken by then (flow control held by the device) is given up. */
export const WRITE_TIMEOUT_MS = 10_000;
/** Writes that wait for an earlier one; commands come one by one, so more means that something runs wild. */
export const WRITES_WAITING_MAX = 32;
/**
 * A line of bytes that was silent for this long after it was opened begins with a whole message. USB adapters hold bytes back for 16 ms;
 * within a message no device pauses for longer than that on purpose.
 */
export const QUIET_START_MS = 50;

/** One read of a file. */
export const FILE_CHUNK_BYTES = 65_536;
/** How much before the end of a followed file is looked at to find where a message begins: one longest frame. */
export const FILE_PREROLL_BYTES = 65_536;
