import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { sourceFiles } from "./files.ts";
import { type Exceptions, tidyViolations } from "./tidy.ts";

const NONE: Exceptions = { files: {}, functions: {} };
const lines = (count: number): string => "  x();\n".repeat(count);

it("keeps files and functions short", () => {
  const exceptions = JSON.parse(readFileSync("test/house/exceptions.json", "utf8")) as Exceptions;
  expect(tidyViolations(sourceFiles("."), exceptions)).toEqual([]);
});

it("refuses an over-long function and names its line", () => {
  const text = `const a = 1;\nexport function long(): void {\n${lines(70)}}\n`;
  expect(tidyViolations([{ path: "agent/a.ts", text }], NONE)).toEqual([
    "agent/a.ts:2 long has 72 lines, more than 60: split it",
  ]);
});

it("refuses an over-long file", () => {
  expect(tidyViolations([{ path: "agent/a.ts", text: lines(310) }], NONE)[0]).toContain("more than 300");
});

it("lets an exception shrink but not grow", () => {
  const file = { path: "agent/a.ts", text: lines(310) };
  const at = (count: number): string[] =>
    tidyViolations([file], { files: { "agent/a.ts": count }, functions: {} });
  expect(at(311)).toEqual([]);
  expect(at(310)[0]).toContain("split it");
  expect(at(320)[0]).toContain("lower its exception");
});
