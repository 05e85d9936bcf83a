// What a simulation gives: named values of one moment, before the driver adds the time.
import type { Value } from "../driver.ts";

export interface Signal {
  readonly name: string;
  readonly value: Value;
  readonly unit?: string;
}

export interface SimulatedPlace {
  readonly lat: number;
  readonly lon: number;
  /** Metres above the sea. */
  readonly alt: number;
}
