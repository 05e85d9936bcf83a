// A strict reader of both text formats, written from their grammars (prometheus.io/docs/instrumenting/exposition_formats, OpenMetrics 1.0), for tests: each
// family has its help and type before its samples, comes once, and no sample twice.
export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: ReadSample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const SAMPLE = new RegExp(`^(${NAME})(?:\\{([^]*)\\})? (\\S+)$`);
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)/;
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|NaN|\+Inf|-Inf)$/;

const unescaped = (text: string): string =>
  text.replaceAll(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter));

const labelsOf = (text: string): Record<string, string> => {
  const labels: Record<string, string> = {};
  let rest = text;
  while (rest !== "") {
    const match = LABEL.exec(rest);
    if (match === null) throw new Error(`no label: ${rest}`);
    const [whole, name = "", value = ""] = match;
    if (Object.hasOwn(labels, name)) throw new Error(`label ${name} comes twice`);
    labels[name] = unescaped(value);
    rest = rest.slice(whole.length);
  }
  return labels;
};

const numberOf = (text: string): number => {
  if (!NUMBER.test(text)) throw new Error(`no number: ${text}`);
  return text.endsWith("Inf") ? (text.startsWith("-") ? -Infinity : Infinity) : Number(text);
};

const sampleOf = (line: string): ReadSample => {
  const match = SAMPLE.exec(line);
  if (match === null) throw new Error(`no sample: ${line}`);
  return { name: match[1] ?? "", labels: labelsOf(match[2] ?? ""), value: numberOf(match[3] ?? "") };
};

const addSample = (family: ReadFamily | undefined, line: string, openmetrics: boolean): void => {
  const sample = sampleOf(line);
  const suffix = openmetrics && family?.type === "counter" ? "_total" : "";
  if (family === undefined || sample.name !== family.name + suffix)
    throw new Error(`a sample outside of its family: ${line}`);
  const key = JSON.stringify(Object.entries(sample.labels).sort());
  if (family.samples.some(({ labels }) => JSON.stringify(Object.entries(labels).sort()) === key))
    throw new Error(`a sample comes twice: ${line}`);
  family.samples.push(sample);
};

export const readExposition = (text: string, openmetrics = false): ReadFamily[] => {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const lines = text.slice(0, -1).split("\n");
  if (openmetrics && lines.pop() !== "# EOF") throw new Error("expected # EOF at the end");
  const families: ReadFamily[] = [];
  let help: readonly [string, string] | null = null;
  for (const line of lines) {
    const [, what, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (what === "HELP") help = [name, unescaped(rest)];
    else if (what === "TYPE") {
      if (help?.[0] !== name || families.some((family) => family.name === name))
        throw new Error(`out of place: ${line}`);
      families.push({ name, type: rest, help: help[1], samples: [] });
    } else addSample(families.at(-1), line, openmetrics);
  }
  return families;
};
