// Every named maximum of Megolm, each with its reason.

/** The last message index: the ratchet's counter has 32 bits. */
export const MESSAGE_INDEX_MAX = 0xffff_ffff;

/** The furthest that a ratchet is moved ahead, exclusive: libolm and goolm take half the counter's range or more for "behind". At most 1,020 hashes. */
export const ADVANCE_MAX: number = 2 ** 31;
