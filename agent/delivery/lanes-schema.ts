// `delivery.lanes`: how much of what is no reading may wait, and for how long.
import type { ZodType } from "zod";
import * as z from "zod";
import { byteSize, duration } from "#agent/config/units.ts";

export interface LaneConfig {
  readonly max_bytes: number;
  readonly max_age: number;
}

/** The lanes that hold no readings; those wait in the journal, under its bounds. */
export type BoundedLane = "alarm" | "reply" | "state";

export type LanesConfig = Readonly<Record<BoundedLane, LaneConfig>>;

const lane = (maxBytes: string, maxAge: string): ZodType<LaneConfig> =>
  z
    .strictObject({
      max_bytes: byteSize().prefault(maxBytes).describe("Beyond it the oldest that wait are dropped."),
      max_age: duration().prefault(maxAge).describe("What has waited longer is dropped."),
    })
    .prefault({});

export const lanesSchema: ZodType<LanesConfig> = z.strictObject({
  alarm: lane("4MiB", "30d").describe("Alarm events and messages."),
  reply: lane("1MiB", "1d").describe("Answers to commands, and what `petrel send` says."),
  state: lane("1MiB", "7d").describe("The status message, births and heartbeats."),
});
