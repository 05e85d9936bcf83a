import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { importViolations, listViolations, type Manifest, parseList } from "./dependencies.ts";
import { sourceFiles } from "./files.ts";

const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
const listed = parseList(readFileSync("DEPENDENCIES.md", "utf8"));

it("has an exact version and a written reason for each dependency", () => {
  expect(listViolations(manifest, listed)).toEqual([]);
});

it("imports nothing that is not declared", () => {
  const files = sourceFiles(".").filter(({ path }) => path !== "test/house/dependencies.test.ts");
  expect(importViolations(files, listed)).toEqual([]);
});

it("refuses an undeclared import, also by a dynamic import", () => {
  const files = [
    { path: "agent/a.ts", text: 'import a from "left-pad";\nconst b = await import("@scope/b/deep.js");' },
  ];
  expect(importViolations(files, listed)).toHaveLength(2);
});

it("refuses a development dependency in shipped code", () => {
  expect(
    importViolations([{ path: "agent/a.ts", text: 'import fc from "fast-check";' }], listed),
  ).toHaveLength(1);
});

it("refuses a version range and a dependency without a reason", () => {
  const problems = listViolations({ dependencies: { "left-pad": "^1.0.0" } }, []);
  expect(problems.join("\n")).toContain("an exact one is expected");
  expect(problems.join("\n")).toContain("say why it is needed");
});

it("names no download address in the lock file", () => {
  expect(readFileSync("package-lock.json", "utf8")).not.toMatch(/"resolved": *"https?:/);
});
