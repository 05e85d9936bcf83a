// A rule, compiled: what a value means to it. Pure.
import type { Channels } from "#agent/telemetry/channels.ts";
import type { Value } from "#drivers/driver.ts";
import type { AlarmConfig, Severity } from "./schema.ts";

export type Condition =
  | { readonly kind: "above" | "below"; readonly threshold: number; readonly clear: number }
  | { readonly kind: "equals"; readonly threshold: number | string | boolean }
  | { readonly kind: "stale"; readonly afterMs: number };

export interface AlarmRule {
  /** Names the rule in the store: another threshold is another alarm. */
  readonly key: string;
  /** The reading's name. */
  readonly name: string;
  readonly label: string;
  readonly unit: string | undefined;
  readonly condition: Condition;
  readonly forMs: number;
  readonly everyMs: number;
  readonly severity: Severity;
  readonly text: string | undefined;
  readonly mention: "room" | readonly string[];
}

/** `between`: within the hysteresis, which neither raises nor clears. `incomparable`: says nothing about the condition. */
export type Judgement = "crossed" | "between" | "clear" | "incomparable";

export const judge = (condition: Condition, value: Value): Judgement => {
  switch (condition.kind) {
    case "stale":
      return "clear";
    case "equals":
      if (typeof value !== typeof condition.threshold) return "incomparable";
      return value === condition.threshold ? "crossed" : "clear";
    default: {
      // Not finite: such a reading does not pass the door, and compared with anything it would be false.
      if (typeof value !== "number" || !Number.isFinite(value)) return "incomparable";
      const sign = condition.kind === "above" ? 1 : -1;
      if (sign * (value - condition.threshold) > 0) return "crossed";
      return sign * (value - condition.clear) > 0 ? "between" : "clear";
    }
  }
};

const conditionOf = ({ above, below, clear, equals, stale_after: afterMs }: AlarmConfig): Condition => {
  if (above !== undefined) return { kind: "above", threshold: above, clear: clear ?? above };
  if (below !== undefined) return { kind: "below", threshold: below, clear: clear ?? below };
  if (equals !== undefined) return { kind: "equals", threshold: equals };
  return { kind: "stale", afterMs: afterMs ?? 0 };
};

const keyOf = (name: string, condition: Condition): string =>
  condition.kind === "stale"
    ? `${name} stale ${condition.afterMs}`
    : `${name} ${condition.kind} ${JSON.stringify(condition.threshold)}`;

/** Every rule of the configuration. `operators` are mentioned where a rule names nobody. */
export const rulesOf = (channels: Channels, operators: readonly string[]): AlarmRule[] =>
  Object.entries(channels).flatMap(([name, channel]) =>
    (channel.alarm ?? []).map((config): AlarmRule => {
      const condition = conditionOf(config);
      return {
        key: keyOf(name, condition),
        name,
        label: channel.label ?? name,
        unit: channel.unit,
        condition,
        forMs: config.for,
        everyMs: config.every,
        severity: config.severity,
        text: config.text,
        mention: config.mention ?? (config.severity === "info" ? [] : operators),
      };
    }),
  );
