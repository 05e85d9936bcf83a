// The corpus: one file for each target, one input a line in base64, comments after #. Small, committed, replayed by the
// unit tests; what the long run finds is added to it.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Bytes } from "./harness.ts";

const FOLDER = fileURLToPath(new URL("./corpus/", import.meta.url));

const fileOf = (target: string): string => `${FOLDER}${target}.txt`;

export const readCorpus = (target: string): Bytes[] => {
  if (!existsSync(fileOf(target))) return [];
  const lines = readFileSync(fileOf(target), "utf8").split("\n");
  return lines
    .filter((line) => !line.startsWith("#"))
    .map((line) => line.replace(/\s*#.*/, ""))
    .slice(0, -1)
    .map((line) => new Uint8Array(Buffer.from(line, "base64")));
};

export const addToCorpus = (target: string, input: Bytes, why: string): void => {
  mkdirSync(FOLDER, { recursive: true });
  const comment = why.split("\n")[0]?.replaceAll("#", "") ?? "";
  appendFileSync(fileOf(target), `${Buffer.from(input).toString("base64")} # ${comment}\n`);
};
