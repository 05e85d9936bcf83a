// The inventories name tests by file and title: each of them is there.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../../../..");
const FOLDERS = ["hostile", "scenarios"];

const named = (readme: string): { file: string; title: string }[] =>
  [...readme.matchAll(/`(test\/[^`]+)`: "([^"]+)"/g)].map(([, file = "", title = ""]) => ({ file, title }));

describe.each(FOLDERS)("the inventory of %s", (folder) => {
  const entries = named(readFileSync(join(import.meta.dirname, "..", folder, "README.md"), "utf8"));

  it("names tests that are there", () => {
    expect(entries.length).toBeGreaterThan(20);
    const missing = entries.filter(({ file, title }) => {
      const path = join(ROOT, file);
      return !existsSync(path) || !readFileSync(path, "utf8").includes(title);
    });
    expect(missing).toEqual([]);
  });
});
