// docs/cli.md is whole: every verb, option and exit code of the program stands in it, and its unit file is one that systemd understands.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { EXIT } from "#agent/exit.ts";
import { needs, which } from "#test/support/peers.ts";
import { petrel, temporaryFolder } from "./petrel.ts";

const DOCS = readFileSync(join(import.meta.dirname, "../../../docs/cli.md"), "utf8");

const sectionOf = (verb: string): string =>
  DOCS.split(/^## /m).find((part) => part.startsWith(`petrel ${verb}\n`)) ?? "";

const optionsIn = (help: string): string[] =>
  [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option]) => option ?? "");

it("names every verb, and each of its options in the verb's own section", async () => {
  const { stdout } = await petrel(["--help"]);
  const commands = stdout.slice(stdout.indexOf("Commands:"));
  const verbs = [...commands.matchAll(/^ {2}([a-z]+) /gm)]
    .map(([, verb]) => verb ?? "")
    .filter((verb) => verb !== "help");
  expect(verbs).toHaveLength(17);
  for (const option of optionsIn(stdout)) expect(DOCS).toContain(option);
  const helps = await Promise.all(
    verbs.map(async (verb) => ({ verb, help: (await petrel([verb, "--help"])).stdout })),
  );
  for (const { verb, help } of helps) {
    const section = sectionOf(verb);
    expect(section, verb).not.toBe("");
    const missing = optionsIn(help).filter((option) => option !== "--help" && !section.includes(option));
    expect(missing, verb).toEqual([]);
  }
});

it("explains every exit code", () => {
  for (const code of Object.values(EXIT)) expect(DOCS).toMatch(new RegExp(`^\\| ${code} \\|`, "m"));
});

needs("systemd-analyze", which("systemd-analyze"), (analyze) => {
  it("shows a unit that systemd takes without a complaint", () => {
    const unit = /```ini\n(.*?)```/s.exec(DOCS)?.[1] ?? "";
    const file = join(temporaryFolder(), "petrel.service");
    // The program that it starts is not installed here.
    writeFileSync(file, unit.replace("/usr/local/bin/petrel", process.execPath));
    expect(unit).toContain("LoadCredential=");
    const { status, stderr, stdout } = spawnSync(analyze, ["verify", file], { encoding: "utf8" });
    expect([status, stdout + stderr]).toEqual([0, ""]);
  });
});
