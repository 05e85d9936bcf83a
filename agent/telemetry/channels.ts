// The section `channels` of the configuration: what is known of a reading by its name, said once.
import type { ZodType } from "zod";
import * as z from "zod";
import { duration } from "#agent/config/units.ts";
import { SENML_NAME } from "./name.ts";

export interface Channel {
  readonly label?: string | undefined;
  readonly unit?: string | undefined;
  /** Shown on the status card (default yes). */
  readonly show: boolean;
  /** Readings that come sooner after the last one are left out (ms). */
  readonly every?: number | undefined;
  /** Readings that waited longer to be sent are dropped and told as lost (ms). */
  readonly retention?: number | undefined;
}

export type Channels = Readonly<Record<string, Channel>>;

export const channelsSchema: ZodType<Channels> = z.record(
  z.string().regex(SENML_NAME, { error: 'expected a SenML name such as "battery/voltage"' }),
  z.strictObject({
    label: z.string().min(1).optional().describe("How people call it."),
    unit: z
      .string()
      .min(1)
      .optional()
      .describe("SenML unit, where the driver gives none: V, A, Cel, %, m/s ..."),
    show: z.boolean().default(true).describe("Whether the status message shows its last value."),
    every: duration().optional().describe("Take at most one reading per this time."),
    retention: duration()
      .optional()
      .describe(
        "After an outage, readings that have waited longer than this are not sent any more (default: all are).",
      ),
  }),
);
