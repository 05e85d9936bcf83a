// Every bound of the store, with its reason. Sizes in bytes, times in milliseconds.

/** Transactions that may wait while the WAL is restarted. On an SD card that takes two seconds per sync the wait is some six seconds: 4,096 is 680 callers a second, each of which waits for its answer. */
export const QUEUE_MAX = 4_096;

/** Transactions committed together. One BEGIN and COMMIT for all of them keeps the bytes written per row low; a batch is one piece of work between two turns of the loop. */
export const BATCH_MAX = 64;

/** How long one batch, and one row of batches, may keep the loop: a backlog after a restart of the WAL is worked off in slices of this length. */
export const SLICE_MS = 5;

/** Transactions run from promise callbacks alone before the loop gets a turn: a caller that never awaits I/O must not starve timers and syncs. */
export const TURN_MAX = 256;

/** The WAL is restarted at this size at the latest. A larger one writes a page that changed often once instead of many times (SD wear), but takes longer to read back after a kill: 8 MiB is about 50 ms on a Pi 4. */
export const WAL_FORCED_BYTES: number = 8 * 1024 * 1024;

/** Worth restarting when nobody is waiting: below this a restart writes more than it saves. */
export const WAL_IDLE_BYTES: number = 1024 * 1024;

/** Idle means that no transaction came for this long. */
export const WAL_IDLE_MS = 2_000;

/** Transactions wait from here on even if the worker is still copying: the WAL may not outgrow a small card while the disk is slow. */
export const WAL_MAX_BYTES: number = 64 * 1024 * 1024;

/** How long the worker waits for a reader on the main connection to end. Reads are synchronous there and take milliseconds; 30 s means that something is wrong. */
export const CHECKPOINT_BUSY_MS = 30_000;

/** After a restart that a reader prevented, the next try waits for this long. */
export const CHECKPOINT_RETRY_MS = 10_000;

/** Free pages that stay in the file for what comes next (4 MiB), and how many more than that are given back per restart (16 MiB, so that one restart stays short). */
export const FREE_PAGES_KEPT = 1_024;
export const VACUUM_PAGES_MAX = 4_096;

/** Prepared statements kept. The agent has some 200 texts; more means that somebody builds SQL with values in it. The one not used for longest goes. */
export const STATEMENTS_MAX = 512;

/** Lines of an integrity check that are shown: the first says enough. */
export const INTEGRITY_LINES_MAX = 3;

/** The store key: 256 bits, raw. */
export const KEY_BYTES = 32;

/** What one seal may hold. An event is 64 KiB; a pack as an attachment a few MiB; beyond that somebody seals a file that should be streamed. */
export const SEALED_BYTES_MAX: number = 64 * 1024 * 1024;

/** Commits between two looks at the WAL's size when nobody asks for a sync, which looks anyway. */
export const LOOK_COMMITS = 32;

/** The log keeps its length when it is restarted; one that grew beyond this many times the forced size while the disk was slow is cut. */
export const WAL_KEPT_FACTOR = 2;

/** How far the log is made longer ahead of its use. One sync in some 60 then pays for the file system's journal instead of each. */
export const WAL_AHEAD_BYTES: number = 256 * 1024;

/** A log that grows more slowly is not made longer ahead: a flush interval of a second makes some 10 KiB/s. */
export const WAL_AHEAD_BYTES_PER_S: number = 64 * 1024;

/** The speed is measured over this long: two commits in one breath are no speed. */
export const WAL_SPEED_MS = 1_000;
