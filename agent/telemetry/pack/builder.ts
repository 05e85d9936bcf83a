// What takes readings one by one and makes a pack of the first so many of them: an encoding, as the packer sees it.
import type { PackReading } from "../received.ts";

export interface PackBuilder {
  readonly encoding: string;
  /** Readings added so far. */
  readonly count: number;
  add(reading: PackReading): void;
  /** The pack of the first `count` readings; what was added stays, so that another count can be tried. */
  encode(count: number): Uint8Array;
}
