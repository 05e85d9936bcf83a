// `npm run check` must fail on an `any` and on a floating promise. Each is seeded into a small tree that has the project's own settings.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

let root = "";

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "petrel-seeded-"));
  for (const name of ["package.json", "tsconfig.json", "biome.json", ".oxlintrc.json", ".gitignore"])
    cpSync(name, join(root, name));
  symlinkSync(resolve("node_modules"), join(root, "node_modules"));
  mkdirSync(join(root, "agent"));
  execFileSync("git", ["init", "-q"], { cwd: root });
});

afterAll(() => rmSync(root, { recursive: true }));

const check = (script: string, seed: string): { status: number | null; output: string } => {
  writeFileSync(join(root, "agent", "seed.ts"), seed);
  const { status, stdout, stderr } = spawnSync("npm", ["run", script], { cwd: root, encoding: "utf8" });
  return { status, output: stdout + stderr };
};

const CLEAN = "export const one: number = 1;\n";
const FLOATING =
  "const later = async (): Promise<number> => 1;\nexport const start = (): void => {\n  later();\n};\n";

it("passes a clean file", () => {
  expect(check("types", CLEAN).output).not.toContain("error TS");
  expect(check("lint", CLEAN)).toMatchObject({ status: 0 });
});

it.each([
  ["an any", "lint", "export const one: any = 1;\n", "any"],
  [
    "an any that came out of JSON.parse",
    "lint",
    'const read = JSON.parse("{}");\nexport const one: string = read.name;\n',
    "no-unsafe",
  ],
  ["a floating promise", "lint", FLOATING, "no-floating-promises"],
  ["a type error", "types", 'export const one: number = "1";\n', "TS2322"],
])("fails on %s", (_what, script, seed, message) => {
  const { status, output } = check(script, seed);
  expect(status).not.toBe(0);
  expect(output).toContain(message);
});
