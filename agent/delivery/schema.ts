// The section `delivery` of the configuration: how readings are batched into events, and how much may wait.
import type { ZodType } from "zod";
import * as z from "zod";
import { byteSize, duration } from "#agent/config/units.ts";
import { type BytesConfig, bytesSchema } from "./bytes-schema.ts";
import { type LanesConfig, lanesSchema } from "./lanes-schema.ts";

/** How long readings may gather in memory before they are written; 0: each is made durable at once. */
export interface FlushConfig {
  readonly default: number;
  readonly drivers: Readonly<Record<string, number>>;
  readonly channels: Readonly<Record<string, number>>;
}

export type ThinConfig =
  | { readonly keep: "every"; readonly n: number }
  | { readonly keep: "min-max"; readonly window: number };

export interface DeliveryConfig {
  readonly batch: { readonly max_age: number; readonly max_count: number; readonly plain_max: number };
  readonly journal: {
    readonly max_bytes: number;
    readonly max_age?: number | undefined;
    readonly when_full: "reject" | "drop-oldest" | "thin";
    readonly thin: ThinConfig;
  };
  readonly flush: FlushConfig;
  readonly files: "auto" | "never";
  readonly bytes: BytesConfig;
  readonly lanes: LanesConfig;
}

const flush = (): ZodType<number, string> => z.union([z.literal("each").transform(() => 0), duration()]);

const thinSchema = z.discriminatedUnion("keep", [
  z.strictObject({
    keep: z.literal("every"),
    n: z.int().min(2).max(1000).describe("Every n-th reading of each channel stays."),
  }),
  z.strictObject({
    keep: z.literal("min-max"),
    window: duration().describe("The least and the greatest value of each channel in each such time stay."),
  }),
]);

const journalSchema = z.strictObject({
  max_bytes: byteSize().prefault("256MiB").describe("Readings that may wait on the disk, packed and sealed."),
  max_age: duration().optional().describe("Readings that have waited longer are dropped (default: never)."),
  when_full: z
    .enum(["reject", "drop-oldest", "thin"])
    .default("drop-oldest")
    .describe(
      "What gives way when that is full: the new reading, the oldest waiting ones, or a part of all that wait. Losses are counted and reported.",
    ),
  thin: thinSchema.prefault({ keep: "every", n: 2 }).describe("What stays with when_full: thin."),
});

const flushSchema = z.strictObject({
  default: flush()
    .prefault("each")
    .describe(
      'When readings are written to the disk: "each" at once, or together after such a time. Then a power cut loses that much of a source that cannot send again; MQTT QoS 1 and 2 are acknowledged only afterwards.',
    ),
  drivers: z.record(z.string(), flush()).default({}).describe("The same for single drivers, by name."),
  channels: z.record(z.string(), flush()).default({}).describe("The same for single channels, by name."),
});

export const deliverySchema: ZodType<DeliveryConfig> = z.strictObject({
  batch: z
    .strictObject({
      max_age: duration()
        .prefault("5s")
        .describe("A reading waits at most this long for others before its event is made."),
      max_count: z
        .int()
        .min(1)
        .max(1000)
        .default(1000)
        .describe("So many readings that wait make an event at once; as many a plain event holds, at most."),
      plain_max: z
        .int()
        .min(0)
        .max(1000)
        .default(32)
        .describe(
          "Up to so many waiting readings go as people read them (the plain form), more as a pack, which takes fewer bytes.",
        ),
    })
    .prefault({}),
  journal: journalSchema.prefault({}),
  files: z
    .enum(["auto", "never"])
    .default("auto")
    .describe(
      "Whether a long backlog may go as an attachment (encrypted where the agent encrypts), or only within events.",
    ),
  lanes: lanesSchema.prefault({}).describe("How much of what is no reading may wait, and how long."),
  bytes: bytesSchema.prefault({}).describe("What may go over interfaces that cost money (docs/delivery.md)."),
  flush: flushSchema.prefault({}).describe("How often readings are written to the disk."),
});
