// How long files and functions may be. What is longer today stands in exceptions.json with its length: it may shrink there, never grow (a ratchet).
import { functionSizes, type SourceFile } from "./files.ts";

export interface Exceptions {
  /** path -> lines */
  readonly files: Readonly<Record<string, number>>;
  /** "path name" -> lines */
  readonly functions: Readonly<Record<string, number>>;
}

const SHIPPED_FILE_LINES_MAX = 300;
const TEST_FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 60;

const isTest = (path: string): boolean => path.startsWith("test/") || path.startsWith("scripts/");
/** The callback of a `describe` tells one story of many tests: its length is the file's. */
const isSuite = (path: string, name: string): boolean => isTest(path) && name === "";

const over = (what: string, lines: number, most: number, exception: number | undefined): string[] => {
  if (exception !== undefined && lines < exception)
    return [`${what} has ${lines} lines: lower its exception of ${exception} in exceptions.json`];
  if (lines <= (exception ?? most)) return [];
  return [`${what} has ${lines} lines, more than ${exception ?? most}: split it`];
};

const fileViolations = (file: SourceFile, exceptions: Exceptions): string[] => {
  const lines = file.text.split("\n").length;
  const most = isTest(file.path) ? TEST_FILE_LINES_MAX : SHIPPED_FILE_LINES_MAX;
  return over(file.path, lines, most, exceptions.files[file.path]);
};

const functionViolations = (file: SourceFile, exceptions: Exceptions): string[] =>
  functionSizes(file)
    .filter(({ name }) => !isSuite(file.path, name))
    .flatMap(({ name, line, lines }) => {
      const key = `${file.path} ${name || "(anonymous)"}`;
      return over(
        `${file.path}:${line} ${name || "a function"}`,
        lines,
        FUNCTION_LINES_MAX,
        exceptions.functions[key],
      );
    });

export const tidyViolations = (files: readonly SourceFile[], exceptions: Exceptions): string[] =>
  files.flatMap((file) => [...fileViolations(file, exceptions), ...functionViolations(file, exceptions)]);
