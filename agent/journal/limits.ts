// The journal's bounds, each with its reason.

/** Readings in one chunk: a chunk is read and decrypted whole, so it bounds the memory and the time of one step of the packer. */
export const CHUNK_READINGS_MAX = 1000;

/** The same for long readings: 1,000 texts of 44 kB are not opened to take one of them. Rough bytes, before sealing. */
export const CHUNK_BYTES_MAX: number = 256 * 1024;

/** What a chunk may hold when it is inflated: CHUNK_BYTES_MAX rough bytes and one reading more, each byte of text escaped to six. */
export const CHUNK_PLAIN_BYTES_MAX: number = 4 * 1024 * 1024;

/** Below this deflating a chunk saves less than it costs: a reading or two, made durable one by one. */
export const DEFLATE_BYTES_MIN = 256;

/** Deliveries of one source that are remembered, so that one repeated after a crash is recognised: MQTT has 65,535 packet identifiers. */
export const RECEIPTS_MAX = 65_536;

/** A driver's receipts are pruned once per so many, so that pruning costs nothing per message. */
export const RECEIPTS_PRUNE_EVERY = 1024;

/** Readings that may wait for their group commit, over all drivers: with the disk stuck for seconds at 10,000 readings/s it bounds memory; rough bytes for long ones. */
export const PENDING_READINGS_MAX = 100_000;
export const PENDING_BYTES_MAX: number = 32 * 1024 * 1024;

/** What an interval of `flush` gathers in memory at most before it is written early: four chunks, so that a fast source costs no memory worth speaking of. */
export const GATHERED_READINGS_MAX: number = 4 * CHUNK_READINGS_MAX;
export const GATHERED_BYTES_MAX: number = 2 * CHUNK_BYTES_MAX;

/** Deliveries of one driver that wait for their acknowledgement before an interval is cut short: mosquitto sends 20 and then waits for us. */
export const RECEIPTS_WAITING_MAX = 10;

/** Runs of lost numbers that one gap is told in; more become one run of several reasons, so that an event has room for its readings. */
export const LOSSES_PER_GAP_MAX = 16;
/** Channels that a run of lost numbers names; the rest is told together. An event has room for a few names of 256 bytes, and a device has mostly few channels. */
export const LOST_CHANNELS_MAX = 8;

/** What one run takes in an event: four numbers of up to 16 digits, the reason, punctuation. */
export const LOSS_BYTES = 100;
/** And each channel that it names, beside the name: its count, punctuation. */
export const LOST_CHANNEL_BYTES = 20;

/** Chunks that give way in one transaction: one that drops or thins more holds up the loop; the rest goes with the next. */
export const GIVE_WAY_CHUNKS_MAX = 256;

/** Chunks that are thinned into one at most: a minute of an interval of one second. */
export const THIN_CHUNKS_MAX = 64;

/** Runs of lost numbers in one event: a pack of many thinned chunks must have room for its readings. */
export const LOSSES_PER_EVENT_MAX = 100;
