// Short ways to write a family of metrics down.
import type { Family, Sample } from "./exposition.ts";
import { LABEL_CHARS_MAX, LABEL_VALUES_MAX } from "./limits.ts";

/** One number; none where it is not known. */
type Value = number | null | undefined;

const single = (value: Value): Sample[] =>
  value === null || value === undefined ? [] : [{ labels: {}, value }];

export const gauge = (name: string, help: string, value: Value): Family => ({
  name,
  help,
  type: "gauge",
  samples: single(value),
});

export const counter = (name: string, help: string, value: Value): Family => ({
  name,
  help,
  type: "counter",
  samples: single(value),
});

const OTHER = "other";

const labelText = (text: string): string =>
  text.length <= LABEL_CHARS_MAX ? text : `${text.slice(0, LABEL_CHARS_MAX)}...`;

type Counts = Iterable<readonly [string, number]>;

/** One sample for each value of a label, the first ones by name; a counter's rest is summed up under `other`, a gauge's is left out. */
const labelled = (type: Family["type"], label: string, counts: Counts): Sample[] => {
  const sums = new Map<string, number>();
  let other = 0;
  for (const [text, value] of counts) {
    const key = labelText(text);
    if (sums.has(key) || sums.size < LABEL_VALUES_MAX) sums.set(key, (sums.get(key) ?? 0) + value);
    else other += value;
  }
  if (other > 0 && type === "counter") sums.set(OTHER, (sums.get(OTHER) ?? 0) + other);
  return [...sums].map(([text, value]) => ({ labels: { [label]: text }, value }));
};

export const gaugeBy = (name: string, help: string, label: string, counts: Counts): Family => ({
  name,
  help,
  type: "gauge",
  samples: labelled("gauge", label, counts),
});

export const counterBy = (name: string, help: string, label: string, counts: Counts): Family => ({
  name,
  help,
  type: "counter",
  samples: labelled("counter", label, counts),
});

export const seconds = (ms: number): number => ms / 1000;
