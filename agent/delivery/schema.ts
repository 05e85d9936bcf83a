// The section `delivery` of the configuration: how readings are batched into events, and how much may wait.
import type { ZodType } from "zod";
import * as z from "zod";
import { byteSize, duration } from "#agent/config/units.ts";

export interface DeliveryConfig {
  readonly batch: { readonly max_age: number; readonly max_count: number };
  readonly journal: { readonly max_bytes: number; readonly when_full: "reject" | "drop-oldest" };
}

export const deliverySchema: ZodType<DeliveryConfig> = z.strictObject({
  batch: z
    .strictObject({
      max_age: duration()
        .prefault("5s")
        .describe("A reading waits at most this long for others before its event is made."),
      max_count: z.int().min(1).max(1000).default(200).describe("Readings in one event, at most."),
    })
    .prefault({}),
  journal: z
    .strictObject({
      max_bytes: byteSize().prefault("256MiB").describe("Readings and events that may wait on the disk."),
      when_full: z
        .enum(["reject", "drop-oldest"])
        .default("drop-oldest")
        .describe(
          "What gives way when that is full: the new reading, or the oldest waiting ones. Losses are counted and reported.",
        ),
    })
    .prefault({}),
});
