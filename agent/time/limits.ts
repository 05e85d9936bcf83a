// Bounds of what is known of the time, each with its reason.

/** A server's clock is a bound, not a source: it catches a clock that is wrong by minutes, never one that is off by seconds. */
export const SERVER_OFFSET_MAX_MS = 60_000;

/** What a poor quartz gains or loses on the time since it was compared. */
export const DRIFT_MAX = 200e-6;

/** After that a synchronised clock is believed more than an old answer: monotonic time stands still while a board sleeps. */
export const SERVER_FRESH_MS = 600_000;

/** A battery-backed clock that lost its power may show any date; none of ours runs a build this old. */
export const BUILD_AGE_MAX_MS: number = 20 * 365.25 * 86_400_000;

/**
 * Wall time against monotonic time moves by this much only when somebody sets the clock: a daemon that slews changes the speed of both alike. Above what
 * reading the two clocks one after the other can differ by on a busy board.
 */
export const STEP_MS = 100;

/** A clock that was known and then moves this far is not known any more until something says so anew: no daemon steps a clock that it holds. */
export const DISTRUST_STEP_MS = 60_000;

/** A receiver's sentence is up to a second old when it is read: within that it confirms the wall clock, beyond it corrects it. */
export const GPS_OFFSET_MAX_MS = 2_000;

/** A receiver's word moves by this much within one epoch: above the limit before, or a clock that is off by just that would change at each fix. */
export const GPS_STEP_MS = 3_000;

/** How long a board goes on by its quartz after the last fix: 200 ppm are 17 s by then, well below the validity of a command. */
export const GPS_HOLD_MS = 86_400_000;

/** Files are looked at this often at most, however many readings come. */
export const PROBE_EVERY_MS = 1_000;

/** chronyc is a process: asked often enough to see the first synchronisation soon, then seldom. */
export const CHRONY_EVERY_UNSYNCHRONISED_MS = 15_000;
export const CHRONY_EVERY_SYNCHRONISED_MS = 120_000;
/** A chronyd that does not answer must not pile up processes. */
export const CHRONY_TIMEOUT_MS = 5_000;
/** One line of comma-separated values takes 200 bytes. */
export const CHRONY_ANSWER_BYTES_MAX = 16_384;
/** A clock that chronyd is still bringing to its place is not yet where it belongs (seconds). */
export const CHRONY_OFFSET_MAX_S = 1;
