// What people read of an alarm: the message that rings, the one that says that it is over, a line of the status card.
import { notice, reply, text, withMentions } from "#agent/matrix/relations.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import { ageText, valueText } from "#agent/rooms/status-card.ts";
import type { AlarmRule } from "./rule.ts";
import type { Severity } from "./schema.ts";
import type { News, Raised, Sample } from "./state.ts";

const MARK: Readonly<Record<Severity, string>> = { info: "ℹ", warning: "⚠", critical: "🚨" };

export const markOf = (severity: Severity): string => MARK[severity];

const NO_VALUE = "no value";

const shown = ({ unit, value }: Sample, rule: AlarmRule): string =>
  value === null ? NO_VALUE : valueText(value, unit ?? rule.unit);

/** `below 10.5 V`, `no reading for 30 s`: what the rule is about. */
export const conditionText = ({ condition, unit }: AlarmRule): string => {
  switch (condition.kind) {
    case "stale":
      return `no reading for ${ageText(condition.afterMs)}`;
    case "equals":
      return valueText(condition.threshold, unit);
    default:
      return `${condition.kind} ${valueText(condition.threshold, unit)}`;
  }
};

/** `battery/voltage is 10.4 V, below 10.5 V` */
export const sentence = (rule: AlarmRule, sample: Sample): string => {
  const { condition, label } = rule;
  if (condition.kind === "stale") return `${label}: ${conditionText(rule)} (last ${shown(sample, rule)})`;
  const is = `${label} is ${shown(sample, rule)}`;
  return condition.kind === "equals" ? is : `${is}, ${conditionText(rule)}`;
};

/** Without a clock, a time of day would be a lie. */
const timeText = (timeMs: number, { clock }: Sample): string =>
  clock === "unset" ? "" : ` since ${new Date(timeMs).toISOString().slice(11, 19)} UTC`;

const raisedBody = (device: string, rule: AlarmRule, raised: Raised, prefix: string): string => {
  const said = sentence(rule, raised.sample);
  const { suppressed } = raised;
  return [
    `${MARK[rule.severity]} ${device}: ${rule.text ?? said}`,
    ...(rule.text === undefined ? [] : [said]),
    `${rule.severity}${timeText(raised.sinceMs, raised.sample)}; to acknowledge: ${prefix} ack ${raised.id}`,
    ...(suppressed > 0 ? [`it came and went ${suppressed} more times since it was raised last`] : []),
  ]
    .join("\n")
    .toWellFormed();
};

/**
 * Text, not a notice: the push rule that keeps notices quiet stands before the one of mentions (Client-Server API, "Default override rules"),
 * so a notice makes no phone ring.
 */
export const raisedMessage = (
  device: string,
  rule: AlarmRule,
  raised: Raised,
  prefix: string,
): JsonObject => {
  const body = text(raisedBody(device, rule, raised, prefix));
  return rule.mention === "room" ? withMentions(body, [], true) : withMentions(body, rule.mention);
};

const clearedBody = (device: string, rule: AlarmRule, raised: Raised, sample: Sample): string => {
  const after = ageText(Math.max(0, sample.timeMs - raised.sinceMs));
  const what = rule.text ?? sentence(rule, raised.sample);
  return `✓ ${device}: cleared after ${after}: ${what}\n${rule.label} is ${shown(sample, rule)} again (alarm ${raised.id})`.toWellFormed();
};

/** Rings nowhere. */
export const clearedMessage = (
  device: string,
  rule: AlarmRule,
  news: News & { kind: "cleared" },
): JsonObject => withMentions(notice(clearedBody(device, rule, news.raised, news.sample)), []);

export const removedMessage = (device: string, name: string, { id }: Raised): JsonObject =>
  withMentions(notice(`✓ ${device}: ${name} is no longer watched (alarm ${id})`), []);

export const asAnswer = (message: JsonObject, toEventId: string | null): JsonObject =>
  toEventId === null ? message : reply(message, toEventId);
