// The maxima and periods of interactive verification, each with its reason.

const MINUTE_MS = 60_000;

/** How long a request is good, from when it was made (specification: 10 minutes). */
export const REQUEST_MS: number = 10 * MINUTE_MS;

/** How far in the future a request may say that it was made (specification: 5 minutes): clocks differ. */
export const REQUEST_AHEAD_MS: number = 5 * MINUTE_MS;

/** How long the other side may take for its next message once the request was accepted: a person compares emoji in between. */
export const STEP_MS: number = 10 * MINUTE_MS;

/** How long a verification that is over is shown. */
export const OVER_MS: number = 60 * MINUTE_MS;

/** Verifications under way at a time. People make one; the rest would be somebody who fills the store. */
export const ACTIVE_MAX = 16;

/** Verifications that are over and still shown; the oldest go. */
export const OVER_MAX = 16;

/** Characters of a flow ID that is taken: event IDs have at most 255. */
export const FLOW_ID_CHARS_MAX = 255;

/** Characters of somebody else's reason or code that are kept: a line for a person. */
export const REASON_CHARS_MAX = 200;

/** Methods of a list that are looked at. */
export const METHODS_MAX = 32;
