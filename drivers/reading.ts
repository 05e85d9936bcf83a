// A reading, the plain value that goes up: apart from the contract, so that a library that only reads telemetry needs no schemas.

/** What a reading can hold. Numbers may be fractional here: only events forbid floats. */
export type Value = number | string | boolean | Uint8Array;

/** One measured value. Names are SenML names (RFC 8428 section 4.5.1): `[A-Za-z0-9][A-Za-z0-9:./_-]*`, units those of the SenML registry. */
export interface Reading {
  readonly name: string;
  readonly value: Value;
  readonly unit?: string;
  /** Monotonic time of the sample in milliseconds, of the same clock as `Clock.monoMs()` (CLOCK_MONOTONIC). */
  readonly monoMs: number;
  /** Wall time in milliseconds since the epoch, only where the source itself stamped the sample (a GPS sentence, a payload's own time). */
  readonly sourceMs?: number;
}
