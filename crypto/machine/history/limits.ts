// The maxima and periods of history bundles, each with its reason.

const HOUR_MS = 3_600_000;
const DAY_MS: number = 24 * HOUR_MS;

/** Bytes of a bundle that is made or read, encrypted or not: 100,000 sessions of some 600 bytes would be 60 MB, which a small board does not hold; 16 MiB are 25,000, years of a room. */
export const BUNDLE_BYTES_MAX: number = 16 * 1024 * 1024;

/** Sessions that one call takes into or out of a bundle: each is opened or written, in one transaction. */
export const BUNDLE_SLICE = 50;

/** Bundles that were told of and not fetched; the oldest goes. Anybody with an account can send one. */
export const BUNDLES_MAX = 32;

/** How long one is kept for an invitation that is not accepted yet. Servers keep media about as long. */
export const BUNDLE_MS: number = 14 * DAY_MS;

/** How long after a join the inviter's bundle is still waited for (MSC4268: about a day): later nobody means that invitation. */
export const EXPECTED_MS: number = DAY_MS;

/** Rooms that wait for a bundle at a time. */
export const EXPECTED_MAX = 32;

/** Characters of a bundle's address and of a member of its description. */
export const TEXT_CHARS_MAX = 1_024;
