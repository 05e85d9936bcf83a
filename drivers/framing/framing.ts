// What a framing is: it cuts a stream of bytes into frames and makes frames of what is to be sent. It knows no port, no socket, no name of a reading.
// A new one (NMEA, SLIP, COBS, ...) is a new file that exports a `FramingKind`, and a line in kinds.ts.
//
//   source --chunk--> push() --> frames: { payload } | { discarded }     agent --payload--> encode() --> source
//
// Every byte that goes in comes out in exactly one frame: as part of a payload, or discarded with a reason. That is what the tests check.
import type { ZodType, z } from "zod";
import type { Payload } from "../payload.ts";

/**
 * Why bytes were discarded; each reason but `blank` is a counter of its own.
 * `malformed`: a frame that cannot be read. `overlong`: no end of frame within the limit. `unmatched`: a whole frame that is not of interest.
 * `partial`: a frame whose beginning or end was not seen. `blank`: an empty line.
 */
export type DiscardReason = "malformed" | "overlong" | "unmatched" | "partial" | "blank";

export type Frame =
  | { readonly kind: "payload"; readonly payload: Payload; readonly bytes: number }
  | {
      readonly kind: "discarded";
      readonly reason: DiscardReason;
      readonly bytes: number;
      /** The first bytes of what was discarded, for the log. */
      readonly sample: Uint8Array;
      /** What was expected and found, where that is known. */
      readonly detail?: string;
      /** True for the rest of a range whose beginning was reported before: not a further incident. */
      readonly continued: boolean;
    };

export interface Framing {
  /** Takes the next bytes and returns the frames that they complete. Never throws; keeps no reference to `chunk`. */
  push(chunk: Uint8Array): Frame[];
  /** The input has a boundary here. `whole`: what is pending is a frame as it stands (end of a datagram or file); else it was cut and is discarded. */
  flush(whole: boolean): Frame[];
  /** What follows may begin inside a frame (a line opened while the device talks): up to the next boundary it is discarded as `partial`. */
  resync(): void;
  /** The bytes to send for one payload. Throws a `DriverError` (MALFORMED) for a payload that this framing cannot carry. */
  encode(payload: Uint8Array): Uint8Array;
}

/** The schema of a framing's options: an object whose `type` chooses it. */
export type FramingSchema<Options> = ZodType<Options> & z.core.$ZodTypeDiscriminable;

/** One kind of framing: the schema of `framing: { type: ..., ... }` in the configuration, and its factory. */
export interface FramingKind<Options> {
  readonly type: string;
  readonly schema: FramingSchema<Options>;
  create(options: Options): Framing;
}
