// A reading as the agent keeps it: the driver's value with its place in time and in a stream.
import type { Value } from "#drivers/reading.ts";

/** What was known of the clock when a reading was taken (DESIGN 4). `unset`: the wall time means nothing yet. */
export type ClockState = "unset" | "rtc" | "ntp" | "gps";

/** How wall time follows from monotonic time: mono + base is what the wall clock showed, plus offset is what is told (all ms). */
export interface ClockLine {
  readonly baseMs: number;
  /** The correction: 0 where the wall clock is taken as it is. */
  readonly offsetMs: number;
}

export interface StampedReading {
  readonly name: string;
  readonly value: Value;
  readonly unit?: string;
  /** Wall time of the sample, integer milliseconds since the epoch; the source's own stamp where it gave one. */
  readonly timeMs: number;
  /** Monotonic time of the sample, milliseconds since the boot. */
  readonly monoMs: number;
  /** The source stamped it: no correction of our clock concerns its time. */
  readonly ownTime?: true;
}

/** What all readings of one chunk, and so of one event, share. */
export interface Epoch {
  readonly boot: string;
  readonly bootSeq: number;
  readonly clock: ClockState;
}

/** The stream before another, and how many numbers it had: with it a reader knows that nothing is missing at its end. */
export interface Predecessor {
  readonly stream: string;
  readonly end: number;
}

/** A run of sequence numbers that will never come, and why. */
export interface Loss {
  readonly from: number;
  readonly count: number;
  readonly reason: string;
  /** When these readings were taken or refused, wall time: the first and the last of them, where it is known. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  /** How many of them were of which channel, where it is known; under "*" those of channels that are not named. */
  readonly channels?: ReadonlyMap<string, number>;
}
