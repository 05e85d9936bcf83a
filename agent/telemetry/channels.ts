// The section `channels` of the configuration: what is known of a reading by its name, said once.
import type { ZodType } from "zod";
import * as z from "zod";
import { type AlarmConfig, alarmSchema } from "#agent/alarms/schema.ts";
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
  /** `alarm`: what this channel has to say goes before everything else. */
  readonly priority?: "normal" | "alarm" | undefined;
  readonly alarm?: readonly AlarmConfig[] | undefined;
}

export type Channels = Readonly<Record<string, Channel>>;

export const channelsSchema: ZodType<Channels> = z.record(
  z.string().regex(SENML_NAME, { error: 'expected a SenML name such as "battery/voltage"' }),
  z
    .strictObject({
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
      priority: z
        .enum(["normal", "alarm"])
        .optional()
        .describe("`alarm` where `alarm` is set, which is also the default there."),
      alarm: alarmSchema
        .optional()
        .describe("When a reading, or its absence, raises an alarm: docs/alarms.md."),
    })
    .superRefine(({ alarm, priority }, context) => {
      const path = ["priority"];
      if (priority === "alarm" && alarm === undefined)
        context.addIssue({ code: "custom", path, message: 'expected an "alarm" beside it that says when' });
      if (priority === "normal" && alarm !== undefined)
        context.addIssue({
          code: "custom",
          path,
          message: 'expected "alarm", or no "priority", where "alarm" says when',
        });
    }),
);
