// Metrics as text: the Prometheus text format 0.0.4 ("Exposition formats", prometheus.io/docs) and OpenMetrics 1.0, which differ in the name of a counter's
// family, the escapes of a help text, and the last line. Our own writer: all that is needed of a library are these rules. Pure.
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All samples of one name. `name` as Prometheus shows it: a counter's ends in `_total`. */
export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly samples: readonly Sample[];
}

export type Format = "prometheus" | "openmetrics";

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const TOTAL = "_total";

const escapeLabel = (text: string): string =>
  text.toWellFormed().replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');

const escapeHelp = (text: string, format: Format): string =>
  format === "openmetrics" ? escapeLabel(text) : text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");

const valueText = (value: number): string => {
  if (Number.isNaN(value)) return "NaN";
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? "+Inf" : "-Inf";
};

const sampleLine = (name: string, { labels, value }: Sample): string => {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${valueText(value)}`;
};

/** A name that no parser takes is a fault of ours, found by the first test that writes it. */
const check = ({ name, samples, type }: Family): void => {
  const labels = samples.flatMap((sample) => Object.keys(sample.labels));
  const wrong = [name, ...labels].find((each) => !NAME.test(each));
  if (wrong !== undefined)
    throw new RangeError(`metrics: ${JSON.stringify(wrong)} is no name of a metric or a label`);
  if (name.endsWith(TOTAL) !== (type === "counter"))
    throw new RangeError(`metrics: ${name} is a ${type}; counters, and nothing else, end in ${TOTAL}`);
};

const familyLines = (family: Family, format: Format): string[] => {
  check(family);
  const { help, name, samples, type } = family;
  const title = format === "openmetrics" && type === "counter" ? name.slice(0, -TOTAL.length) : name;
  return [
    `# HELP ${title} ${escapeHelp(help, format)}`,
    `# TYPE ${title} ${type}`,
    ...samples.map((sample) => sampleLine(name, sample)),
  ];
};

/** Families without a sample are left out. */
export const expositionText = (families: readonly Family[], format: Format): string => {
  const lines = families
    .filter(({ samples }) => samples.length > 0)
    .flatMap((family) => familyLines(family, format));
  const end = format === "openmetrics" ? ["# EOF"] : [];
  return `${[...lines, ...end].join("\n")}\n`;
};

/** Which format a scraper asked for. */
export const formatFor = (accept: string | undefined): Format =>
  accept?.includes("application/openmetrics-text") === true ? "openmetrics" : "prometheus";
