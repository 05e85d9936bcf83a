// `delivery.bytes`: what may go over interfaces that cost money.
import type { ZodType } from "zod";
import * as z from "zod";
import { byteSize } from "#agent/config/units.ts";

export interface BytesConfig {
  readonly metered: readonly string[];
  readonly per_day?: number | undefined;
  readonly bulk: "spend" | "wait";
}

export const bytesSchema: ZodType<BytesConfig> = z.strictObject({
  metered: z
    .array(
      z.string().regex(/^[A-Za-z0-9_.:@*-]{1,32}$/, { error: 'expected a name such as "wwan0" or "wwan*"' }),
    )
    .max(32)
    .default([])
    .describe(
      "Interfaces whose bytes are counted against per_day: names, * stands for anything (wwan*, ppp*).",
    ),
  per_day: byteSize()
    .optional()
    .describe(
      "Bytes that may go over them on one day (UTC). Then readings and the status wait; alarms and replies pass.",
    ),
  bulk: z
    .enum(["spend", "wait"])
    .default("spend")
    .describe("Whether readings spend these bytes, or wait for an interface that is not metered."),
});
