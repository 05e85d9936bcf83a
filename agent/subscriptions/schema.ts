// The section `subscriptions` of the configuration: rooms whose telemetry is published to a broker here.
import type { ZodType } from "zod";
import * as z from "zod";
import { duration } from "#agent/config/units.ts";

export interface SubscriptionConfig {
  readonly room: string;
  readonly driver: string;
  readonly topic: string;
  readonly retain: boolean;
  readonly from?: readonly string[] | undefined;
  readonly every: number;
}

/** Rooms that one agent follows: each costs a request now and then. */
const SUBSCRIPTIONS_MAX = 32;

export const subscriptionsSchema: ZodType<readonly SubscriptionConfig[]> = z
  .array(
    z.strictObject({
      room: z
        .string()
        .regex(/^[!#]\S+$/, { error: 'expected a room ID ("!...") or an alias ("#name:server")' })
        .describe("The room: one that this account is in, or may join."),
      driver: z.string().min(1).describe("The driver that publishes: an mqtt or broker driver of this file."),
      topic: z
        .string()
        .regex(/^[^+#\0$][^+#\0]*$/, { error: "expected a topic without wildcards" })
        .default("petrel/{device}/{name}")
        .describe("Topic of each reading; {device} and {name} stand for what the reading says."),
      retain: z.boolean().default(false).describe("Whether the broker keeps the last value of each topic."),
      from: z
        .array(
          z.string().regex(/^@[^:\s]+:\S+$/, { error: 'expected a user ID such as "@drone:example.org"' }),
        )
        .optional()
        .describe("Whose telemetry. Left out: that of everybody in the room but this agent."),
      every: duration().prefault("2s").describe("How often the room is looked at."),
    }),
  )
  .max(SUBSCRIPTIONS_MAX);
