// The journal's bounds, each with its reason.

/** Readings in one chunk: a chunk is read and decrypted whole, so it bounds the memory and the time of one step of the packer. */
export const CHUNK_READINGS_MAX = 1000;

/** The same for long readings: 1,000 texts of 44 kB are not opened to take one of them. Rough bytes, before sealing. */
export const CHUNK_BYTES_MAX: number = 256 * 1024;

/** Deliveries of one source that are remembered, so that one repeated after a crash is recognised: MQTT has 65,535 packet identifiers. */
export const RECEIPTS_MAX = 65_536;

/** A driver's receipts are pruned once per so many, so that pruning costs nothing per message. */
export const RECEIPTS_PRUNE_EVERY = 1024;

/** Readings that may wait for their group commit, over all drivers: with the disk stuck for seconds at 10,000 readings/s it bounds memory; rough bytes for long ones. */
export const PENDING_READINGS_MAX = 100_000;
export const PENDING_BYTES_MAX: number = 32 * 1024 * 1024;

/** Runs of lost numbers that one gap is told in; more become one run of several reasons, so that an event has room for its readings. */
export const LOSSES_PER_GAP_MAX = 16;
/** What one run takes in an event: two numbers of up to 16 digits, the reason, punctuation. */
export const LOSS_BYTES = 64;
