// Every named maximum of Olm, each with its reason. The figures of the ratchet are those of libolm, goolm and vodozemac: a peer may rely on them.

/** Message keys that one message may skip in its chain. Each costs a hash before the MAC can be checked; all three implementations stop here. */
export const MESSAGE_GAP_MAX = 2_000;

/** Skipped message keys kept for late messages, per receiver chain. A kept key is one more that a thief of the store can use. */
export const SKIPPED_KEYS_PER_CHAIN_MAX = 40;

/** Receiver chains kept for late messages. */
export const RECEIVER_CHAINS_MAX = 5;

/** One-time keys kept privately. A server holds 50 at a time, but a message under a claimed one may be under way for months. */
export const ONE_TIME_KEYS_MAX = 5_000;

/** The last index that a message can carry: 32 bits in libolm and goolm. */
export const CHAIN_INDEX_MAX = 0xffff_ffff;
