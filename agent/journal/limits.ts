// The journal's bounds, each with its reason.

/** Readings in one chunk: a chunk is read and decrypted whole, so it bounds the memory and the time of one step of the packer. */
export const CHUNK_READINGS_MAX = 1000;

/** Deliveries of a source that are remembered, so that one repeated after a crash is recognised: MQTT has 65,535 packet identifiers. */
export const RECEIPTS_MAX = 65_536;

/** Receipts are pruned once per so many, so that pruning costs nothing per message. */
export const RECEIPTS_PRUNE_EVERY = 1024;

/** Readings that may wait for their group commit, over all drivers: with the disk stuck for seconds at 10,000 readings/s it bounds memory. */
export const PENDING_READINGS_MAX = 100_000;
