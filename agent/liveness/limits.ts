// Bounds of liveness, each with its reason.

/** A server that refused a will (too long a delay, no right to send) is asked again this often: an operator can mend that at any time. */
export const REFUSED_RETRY_MS = 3_600_000;

/** A stopping agent waits no longer than this for the server to drop its wills. */
export const CANCEL_TIMEOUT_MS = 2_000;

/** Left-over wills that are dropped in one go; a server holds at most a hundred for each user. */
export const LEFT_OVER_MAX = 100;
