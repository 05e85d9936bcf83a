// Runs the tests and ends with what counts: which peers were missing (loudly), then `N passed, N failed[, N skipped]` alone on the last line.
//   node scripts/test.ts [--long] [filter ...]
// A few files that failed are run a second time, alone: hundreds of files with real servers share this machine, and one that was starved is not one that is
// broken. What passes only then is named as UNSTEADY, loudly, for it is a defect of the test or a race in the code, and is to be mended.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

interface TestFile {
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
}

interface Outcome {
  readonly code: number;
  /** Null: the runner itself failed and wrote no report. */
  readonly files: readonly TestFile[] | null;
}

/** More than so many failed files are no accident of a busy machine. */
const SECOND_TRY_FILES_MAX = 3;

const [, , ...words] = process.argv;
const long = words.includes("--long");
const filters = words.filter((word) => word !== "--long");
const folder = mkdtempSync(join(tmpdir(), "petrel-test-"));

const readReport = (path: string): readonly TestFile[] | null => {
  try {
    // The shape is vitest's own (its reporter `json`).
    return (JSON.parse(readFileSync(path, "utf8")) as { testResults: TestFile[] }).testResults;
  } catch {
    return null;
  }
};

const runVitest = async (name: string, files: readonly string[]): Promise<Outcome> => {
  const report = join(folder, `${name}.json`);
  const child = spawn(
    process.execPath,
    [
      resolve("node_modules/vitest/vitest.mjs"),
      "run",
      ...["--project", long ? "long" : "unit"],
      ...["--reporter", "default", "--reporter", "json", `--outputFile.json=${report}`],
      ...files,
    ],
    { stdio: "inherit" },
  );
  const code = await new Promise<number>((done) => child.on("exit", (status) => done(status ?? 1)));
  return { code, files: readReport(report) };
};

const isFailed = ({ status }: { readonly status: string }): boolean => status === "failed";

const testsWith = (files: readonly TestFile[], ...states: readonly string[]): string[] =>
  files.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => states.includes(status)).map(({ fullName }) => fullName),
  );

/** The outcome with each failed file as its second run, alone, left it. */
const withSecondTry = async ({ code, files }: Outcome): Promise<Outcome> => {
  const failed = files?.filter(isFailed) ?? [];
  if (files === null || failed.length === 0 || failed.length > SECOND_TRY_FILES_MAX) return { code, files };
  console.log(`\n=== ${failed.length} FAILED; a second run, of these alone:`);
  for (const { name } of failed) console.log(`===   ${name}`);
  const second = await runVitest(
    "second",
    failed.map(({ name }) => name),
  );
  const passed = new Map(second.files?.filter((file) => !isFailed(file)).map((file) => [file.name, file]));
  const unsteady = failed.filter(({ name }) => passed.has(name));
  for (const file of unsteady)
    console.log(
      `=== UNSTEADY, failed in the whole run and passed alone: ${file.name}: ${testsWith([file], "failed").join("; ")}`,
    );
  return { code: second.code, files: files.map((file) => passed.get(file.name) ?? file) };
};

const sayMissingPeers = (skipped: readonly string[]): void => {
  if (skipped.length === 0) return;
  console.log(
    `\n=== ${skipped.length} SKIPPED, most for want of a peer (PETREL_PEERS=required makes that a failure; .ci/run installs them):`,
  );
  for (const name of [...new Set(skipped)].sort()) console.log(`===   ${name}`);
};

const { code, files } = await withSecondTry(await runVitest("first", filters));
rmSync(folder, { recursive: true, force: true });
if (files === null) {
  console.log("\nno report was written: the test runner itself failed\n\n0 passed, 1 failed");
  process.exit(1);
}
const skipped = testsWith(files, "skipped", "pending", "todo");
sayMissingPeers(skipped);
// A file that does not load has no failed test in it, and a leak fails a suite after its tests passed: both count as one failure each.
const broken = files.filter((file) => isFailed(file) && testsWith([file], "failed").length === 0);
for (const file of broken) console.log(`=== FAILED outside a test: ${file.name}`);
const named = testsWith(files, "failed").length + broken.length;
const failed = named === 0 && code !== 0 ? 1 : named;
console.log(
  `\n${testsWith(files, "passed").length} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ""}`,
);
process.exit(failed > 0 ? 1 : code);
