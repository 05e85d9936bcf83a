// The event `<namespace>.alarm`, version 1, for machines. Schema: docs/schemas/alarm.v1.json. No float: numbers are decimal strings.
// A reader tells two tellings of the same thing by (id, state).
import type { JsonObject } from "#agent/matrix/types.ts";
import { encodeDecimal } from "#agent/telemetry/decimal.ts";
import type { AlarmRule, Condition } from "./rule.ts";
import type { News, Raised, Sample } from "./state.ts";

type Plain = number | string | boolean;

const encoded = (value: Plain): string | boolean =>
  typeof value === "number" ? (encodeDecimal(value) ?? "0") : value;

const typeOf = (value: Plain): string =>
  typeof value === "number" ? "number" : typeof value === "string" ? "text" : "boolean";

const conditionFields = (condition: Condition): JsonObject => {
  switch (condition.kind) {
    case "stale":
      return { stale_after: condition.afterMs };
    case "equals":
      return { threshold: encoded(condition.threshold) };
    default:
      return { threshold: encoded(condition.threshold), clear: encoded(condition.clear) };
  }
};

const sampleFields = ({ clock, seq, stream, timeMs, unit, value }: Sample): JsonObject => ({
  time: Math.round(timeMs),
  clock,
  ...(value === null ? {} : { value: encoded(value), value_type: typeOf(value) }),
  ...(unit === null ? {} : { unit }),
  ...(stream === null || seq === null ? {} : { stream, seq }),
});

const commonFields = (device: string, name: string, { id, sinceMs }: Raised): JsonObject => ({
  v: 1,
  device,
  name,
  id,
  since: Math.round(sinceMs),
});

const acknowledgedField = ({ acknowledged }: Raised): JsonObject =>
  acknowledged === null ? {} : { acknowledged: { by: acknowledged.by, time: Math.round(acknowledged.atMs) } };

export const encodeAlarm = (device: string, rule: AlarmRule, news: News): JsonObject => {
  const { raised } = news;
  return {
    ...commonFields(device, rule.name, raised),
    state: news.kind,
    severity: rule.severity,
    condition: rule.condition.kind,
    ...conditionFields(rule.condition),
    ...sampleFields(news.kind === "raised" ? raised.sample : news.sample),
    ...(rule.text === undefined ? {} : { text: rule.text.toWellFormed() }),
    ...(news.kind === "raised" && raised.suppressed > 0 ? { suppressed: raised.suppressed } : {}),
    ...(news.kind === "cleared" ? acknowledgedField(raised) : {}),
  };
};

/** Its rule is no longer in the configuration: nothing tells any more whether it still holds. */
export const encodeRemoved = (device: string, name: string, raised: Raised, timeMs: number): JsonObject => ({
  ...commonFields(device, name, raised),
  state: "cleared",
  reason: "removed",
  time: Math.round(timeMs),
  clock: raised.sample.clock,
});
