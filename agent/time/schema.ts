// The section `time` of the configuration: what else than the system may say what time it is.
import type { ZodType } from "zod";
import * as z from "zod";

export interface TimeConfig {
  /** Name of the reading that is a GPS receiver's time. */
  readonly gps?: string | undefined;
  readonly chrony: boolean;
}

export const timeSchema: ZodType<TimeConfig> = z.strictObject({
  gps: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Name of a reading that is a GPS receiver's time: seconds or milliseconds since the epoch, ISO 8601 with a zone, or any reading that its source stamps.",
    ),
  chrony: z
    .boolean()
    .default(true)
    .describe("Whether chronyc is asked, where there is one, what chronyd knows of the clock."),
});
