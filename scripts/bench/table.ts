// Puts the rows of a bench into a document, between `<!-- bench:SUITE -->` and `<!-- /bench:SUITE -->`, so that a table in the docs is what was measured:
//   npm run --silent bench -- main --json | node scripts/bench/table.ts docs/benchmarks.md main
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import type { BenchRow } from "./row.ts";

const digits = (value: number | null): string =>
  value === null ? "-" : String(Number(value.toPrecision(3)));

const line = ({ goal, met, name, peer, peerValue, ratio, reason, unit, value }: BenchRow): string => {
  const beside = peerValue === null ? (peer === "-" ? "" : peer) : `${digits(peerValue)} (${peer})`;
  const cells = [
    name,
    `${digits(value)} ${unit}`,
    beside,
    digits(ratio),
    goal,
    met ? "met" : "**missed**",
    reason ?? "",
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
};

/** `when`: the day, as text. */
export const renderTable = (rows: readonly BenchRow[], suite: string, when: string): string =>
  [
    `Made on ${when} by \`npm run bench -- ${suite}\`, Node ${process.version}, ${cpus().length} shared cores. Compare ratios, not times.`,
    "",
    "| what | ours | beside | ratio | goal | | |",
    "|---|---|---|---|---|---|---|",
    ...rows.map(line),
  ].join("\n");

export const insert = (document: string, suite: string, table: string): string => {
  const begin = `<!-- bench:${suite} -->`;
  const end = `<!-- /bench:${suite} -->`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from === -1 || to < from)
    throw new Error(`the document has no place for it: expected ${begin} and ${end}`);
  return `${document.slice(0, from + begin.length)}\n${table}\n${document.slice(to)}`;
};

if (import.meta.main) {
  const [, , file, suite] = process.argv;
  if (file === undefined || suite === undefined)
    throw new Error("usage: node scripts/bench/table.ts FILE SUITE < rows");
  let input = "";
  for await (const chunk of process.stdin) input += String(chunk);
  const rows = input
    .split("\n")
    .filter((text) => text.startsWith("{"))
    .map((text) => JSON.parse(text) as BenchRow);
  if (rows.length === 0) throw new Error("no row came in: nothing is replaced");
  const table = renderTable(rows, suite, new Date().toISOString().slice(0, 10));
  writeFileSync(file, insert(readFileSync(file, "utf8"), suite, table));
}
