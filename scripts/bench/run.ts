// `npm run bench -- [suite ...] [--json] [--rounds N]`: measures side by side with the peers, in one run, as ratios.
// A suite is a file of this folder that exports `name` and `run(report, options)`. Without a name all run.
import type { BenchRow } from "./row.ts";

interface Suite {
  readonly name: string;
  run(report: (row: BenchRow) => void, options: { readonly rounds: number }): Promise<void>;
}

/** Each loaded when it is asked for: a missing peer of one suite does not stop another. */
const SUITES: Readonly<Record<string, () => Promise<Suite>>> = {
  main: () => import("./main.ts"),
  crypto: () => import("./crypto.ts"),
  delivery: () => import("./delivery.ts"),
  machine: () => import("./machine.ts"),
};

const ROUNDS = 5;

const optionValue = (words: readonly string[], option: string): string | undefined => {
  const at = words.indexOf(option);
  return at === -1 ? undefined : words[at + 1];
};

const digits = (value: number | null): string =>
  value === null ? "-" : String(Number(value.toPrecision(4)));

const textRow = ({ name, value, unit, peer, peerValue, ratio, goal, met, reason }: BenchRow): string => {
  const mark = met ? "✓" : "✗";
  const beside = peerValue === null ? "" : `${digits(peerValue)} ${unit} (${peer})`;
  const columns = [
    mark,
    name.padEnd(58),
    `${digits(value)} ${unit}`.padEnd(18),
    beside.padEnd(42),
    digits(ratio).padEnd(9),
    goal,
  ];
  return `${columns.join(" ")}${reason === undefined ? "" : `  ${reason}`}`;
};

const words = process.argv.slice(2);
const json = words.includes("--json");
const rounds = Number(optionValue(words, "--rounds") ?? ROUNDS);
const asked = words.filter((word, index) => !word.startsWith("--") && words[index - 1] !== "--rounds");
const unknown = asked.find((name) => !Object.hasOwn(SUITES, name));
if (unknown !== undefined) {
  console.error(`bench: there is no suite "${unknown}"; there are ${Object.keys(SUITES).join(", ")}`);
  process.exit(2);
}

const report = (row: BenchRow): void => console.log(json ? JSON.stringify(row) : textRow(row));

if (!json)
  console.log(`  ${"what".padEnd(58)} ${"ours".padEnd(18)} ${"beside".padEnd(42)} ${"ratio".padEnd(9)} goal`);
for (const name of asked.length > 0 ? asked : Object.keys(SUITES)) {
  const suite = await SUITES[name]?.();
  if (!json) console.log(`${name}: medians of ${rounds} interleaved rounds`);
  await suite?.run(report, { rounds });
}
