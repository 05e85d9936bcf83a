// Every named maximum of the pickles, each with its reason. The lists inside are bounded by the limits of what they hold (olm/limits.ts).

/** Characters of a libolm pickle: an account with 5,000 one-time keys is 700 KB; nothing else comes near. */
export const LIBOLM_PICKLE_CHARS_MAX = 1_000_000;

/** Fallback keys in a libolm account: the current one and the one before. */
export const FALLBACK_KEYS_MAX = 2;

/**
 * Receiver chains and skipped keys that are read from one libolm session: goolm up to mautrix-go 0.26 trims neither, so an honest pickle
 * of a long conversation holds many. What is over the ratchet's own limits is dropped; LIBOLM_PICKLE_CHARS_MAX has room for about as many.
 */
export const SESSION_LIST_READ_MAX = 10_000;

/** Skipped message keys that libolm and goolm keep in one session: they drop more when they read it. */
export const LIBOLM_SKIPPED_KEYS_MAX = 40;
