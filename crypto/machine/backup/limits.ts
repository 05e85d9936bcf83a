// The maxima of the key backup, each with its reason.

/** Sessions in one upload (matrix-sdk-crypto: 100): 120 KB, and 15 ms of key agreements. */
export const UPLOAD_SESSIONS_MAX = 100;

/** Sessions that are queued again at a time, when another backup takes the place of the one that had them. */
export const REQUEUE_MAX = 500;

/** Sessions that a caller should restore in one transaction: each costs a key agreement and a point on the curve, so 25 ms on a server. */
export const RESTORE_SLICE = 50;
