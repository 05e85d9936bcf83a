// The key `alarm` of a channel: when a reading, or its absence, is worth somebody's attention. One rule or a list of them.
import type { ZodType } from "zod";
import * as z from "zod";
import { duration } from "#agent/config/units.ts";
import { TEXT_CHARS_MAX } from "./limits.ts";

export type Severity = "info" | "warning" | "critical";

export interface AlarmConfig {
  readonly above?: number | undefined;
  readonly below?: number | undefined;
  readonly equals?: number | string | boolean | undefined;
  readonly stale_after?: number | undefined;
  readonly clear?: number | undefined;
  readonly for: number;
  readonly every: number;
  readonly severity: Severity;
  readonly text?: string | undefined;
  readonly mention?: "room" | readonly string[] | undefined;
}

const CONDITIONS = ["above", "below", "equals", "stale_after"] as const;

/** What a rule says that cannot be, as the key it is about and what was expected there. */
const contradiction = (rule: AlarmConfig): readonly [string | null, string] | null => {
  const { above, below, clear } = rule;
  if (CONDITIONS.filter((key) => rule[key] !== undefined).length !== 1)
    return [null, 'expected exactly one of "above", "below", "equals" and "stale_after"'];
  if (rule.stale_after === 0) return ["stale_after", "expected a duration longer than nothing"];
  if (rule.stale_after !== undefined && rule.for > 0)
    return ["for", 'expected no "for" beside "stale_after", which says itself for how long'];
  if (clear === undefined) return null;
  if (above !== undefined)
    return clear > above ? ["clear", `expected a number of at most ${above}, where "above" begins`] : null;
  if (below !== undefined)
    return clear < below ? ["clear", `expected a number of at least ${below}, where "below" begins`] : null;
  return ["clear", 'expected no "clear" but beside "above" or "below"'];
};

const userId = z
  .string()
  .regex(/^@[^:\s]+:\S+$/, { error: 'expected a user ID such as "@alice:example.org"' });

const ruleSchema: ZodType<AlarmConfig> = z
  .strictObject({
    above: z.number().optional().describe("Raised by a number greater than this."),
    below: z.number().optional().describe("Raised by a number less than this."),
    equals: z
      .union([z.number(), z.string(), z.boolean()])
      .optional()
      .describe("Raised by exactly this number, text, or true or false."),
    stale_after: duration().optional().describe("Raised when no reading came for this long."),
    clear: z
      .number()
      .optional()
      .describe(
        "Cleared at this number, not before: the hysteresis. By default where it is raised, at the threshold itself.",
      ),
    for: duration().prefault("0s").describe("Raised only if it holds for this long."),
    every: duration()
      .prefault("60s")
      .describe("Raised at most once per this time; what came and went meanwhile is counted."),
    severity: z
      .enum(["info", "warning", "critical"])
      .default("warning")
      .describe("How it is marked. `info` mentions nobody unless `mention` says so."),
    text: z.string().min(1).max(TEXT_CHARS_MAX).optional().describe("What it means, for who reads it."),
    mention: z
      .union([z.literal("room"), z.array(userId)])
      .optional()
      .describe("Whose phones ring: users, or `room` for all. By default the operators."),
  })
  .superRefine((rule, context) => {
    const wrong = contradiction(rule);
    if (wrong === null) return;
    const [key, message] = wrong;
    context.addIssue({ code: "custom", message, path: key === null ? [] : [key] });
  });

const conditionOf = (rule: AlarmConfig): string => JSON.stringify(CONDITIONS.map((key) => rule[key] ?? null));

export const alarmSchema: ZodType<readonly AlarmConfig[]> = z
  .union([ruleSchema, z.array(ruleSchema).min(1)])
  .transform((rules) => (Array.isArray(rules) ? (rules as readonly AlarmConfig[]) : [rules as AlarmConfig])) // Array.isArray does not narrow a readonly union
  .refine((rules) => new Set(rules.map(conditionOf)).size === rules.length, {
    error: "expected rules of different conditions: two of these say the same",
  });
