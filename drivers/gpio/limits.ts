// The bounds of the gpio driver, with their reasons.

/** Lines of one driver; libgpiod's tools take 64 per call (GPIO_V2_LINES_MAX). */
export const LINES_MAX = 64;
/** A tool that lists or reads and takes longer than this hangs; on a busy Pi Zero they take 50 ms, in an emulated machine 200 ms. */
export const TOOL_LIMIT_MS = 10_000;
/** Until gpiomon watches or gpioset drives: 140 to 470 ms were measured. */
export const READY_LIMIT_MS = 10_000;
/** How often readiness is looked at where a tool does not say so itself. Each look starts a process. */
export const READY_POLL_MS = 50;
/** How often the chip and the processes that hold our lines are looked at. Costs a few `stat` calls. */
export const CHECK_EVERY_MS = 2_000;
/** Output of a tool that lists: 64 KiB are a thousand lines. */
export const OUTPUT_BYTES_MAX = 262_144;
/** One line of gpiomon's output. */
export const EVENT_CHARS_MAX = 512;
/** Kernel stamps further than this from our own clock are of another clock (kernels before 5.7 stamped with CLOCK_REALTIME). */
export const STAMP_DRIFT_MAX_MS = 60_000;
/** How long a process may take to let go of its line. */
export const RELEASE_LIMIT_MS = 2_000;
export const DEBOUNCE_MAX_MS = 60_000;
/** Writes that wait for the line before them. */
export const WRITES_WAITING_MAX = 16;
