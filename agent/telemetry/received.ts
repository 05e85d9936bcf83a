// What a reader of a room gets of a telemetry event, whatever its form.
import type { Value } from "#drivers/reading.ts";
import type { ClockState, Loss, Predecessor } from "./reading.ts";

/** A reading inside a pack: where it stands in its stream is said outside of the pack. */
export interface PackReading {
  readonly name: string;
  readonly value: Value;
  readonly unit?: string;
  /** Wall time of the sample, integer milliseconds since the epoch. */
  readonly timeMs: number;
}

export interface ReceivedReading {
  readonly seq: number;
  readonly name: string;
  readonly unit: string | null;
  readonly timeMs: number;
  readonly value: Value;
}

/** What `telemetry` and `loss` have in common: which numbers of which stream. */
export interface ReceivedRange {
  readonly device: string;
  readonly stream: string;
  readonly boot: string;
  readonly bootSeq: number;
  readonly seq: number;
  readonly count: number;
  readonly lost: readonly Loss[];
  /** How many of the lost readings were of which channel, as far as it was told. */
  readonly lostChannels: ReadonlyMap<string, number>;
  /** Which stream this one followed, and how many numbers that one had; null where it was not told. */
  readonly after: Predecessor | null;
}

export interface ReceivedTelemetry extends ReceivedRange {
  readonly form: "plain" | "pack" | "file";
  readonly clock: ClockState;
  /** Monotonic time of the earliest reading, ms since the boot. */
  readonly monoMs: number;
  /** Correction that was applied to the times, ms: time - offset is what the device's clock said. */
  readonly offsetMs: number;
  /** Waited on the device while newer readings went ahead of it in a stream of their own. */
  readonly historical: boolean;
  readonly readings: readonly ReceivedReading[];
}
