// The section `rooms.liveness` of the configuration: how it shows that the device is there, and that it is not.
import type { ZodType } from "zod";
import * as z from "zod";
import { duration } from "#agent/config/units.ts";

export interface LivenessConfig {
  readonly interval: number;
  readonly timeout: number;
  readonly heartbeats: boolean;
}

/** One beat may get lost, and the server may be slow: a will that fires early lies. */
const BEATS_MIN = 2;

export const livenessSchema: ZodType<LivenessConfig> = z
  .strictObject({
    interval: duration()
      .prefault("1m")
      .describe("How often the server is told that the device is still there: a small request, no event."),
    timeout: duration()
      .prefault("5m")
      .describe(
        "After so long without word the server says that the device is offline, where it can (MSC4140).",
      ),
    heartbeats: z
      .boolean()
      .default(false)
      .describe(
        "Whether a heartbeat event is sent at each interval where the server cannot do that. It costs events.",
      ),
  })
  .refine(({ interval, timeout }) => interval >= 100 && timeout >= BEATS_MIN * interval, {
    path: ["timeout"],
    error: `expected at least ${BEATS_MIN} times the interval, which is 100 ms or more`,
  });
