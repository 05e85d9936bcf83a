// The raised alarms as the status card, `petrel status` and the command `alarms` show them.
import { ageText } from "#agent/rooms/status-card.ts";
import type { AlarmRule } from "./rule.ts";
import type { Severity } from "./schema.ts";
import type { AlarmWatch } from "./watch.ts";
import { markOf, sentence } from "./words.ts";

export interface AlarmView {
  readonly id: string;
  readonly name: string;
  readonly severity: Severity;
  /** What is wrong, in a sentence. */
  readonly text: string;
  /** Wall time of the first crossing. */
  readonly sinceMs: number;
  readonly acknowledgedBy: string | null;
  /** All of that: `⚠ battery/voltage is 10.4 V, below 10.5 V (12 min, alarm k3f9qa2m, acknowledged by @alice:example.org)` */
  readonly line: string;
}

const RANK: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 };

const lineOf = (
  { acknowledgedBy, id, severity, sinceMs, text }: Omit<AlarmView, "line">,
  nowMs: number,
): string => {
  const seen = acknowledgedBy === null ? "" : `, acknowledged by ${acknowledgedBy}`;
  return `${markOf(severity)} ${text} (${ageText(Math.max(0, nowMs - sinceMs))}, alarm ${id}${seen})`;
};

const viewOf = (watch: AlarmWatch, rule: AlarmRule, nowMs: number): AlarmView[] => {
  const state = watch.stateOf(rule);
  if (state.state !== "raised") return [];
  const { acknowledged, id, sample, sinceMs } = state;
  const said = sentence(rule, sample);
  const view = {
    id,
    name: rule.name,
    severity: rule.severity,
    text: rule.text === undefined ? said : `${rule.text} (${said})`,
    sinceMs,
    acknowledgedBy: acknowledged?.by ?? null,
  };
  return [{ ...view, line: lineOf(view, nowMs) }];
};

/** The worst first, then the oldest. */
export const alarmViews = (watch: AlarmWatch, nowMs: number): AlarmView[] =>
  watch.rules
    .flatMap((rule) => viewOf(watch, rule, nowMs))
    .sort((a, b) => RANK[a.severity] - RANK[b.severity] || a.sinceMs - b.sinceMs);
