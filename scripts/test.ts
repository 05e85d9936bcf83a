// Runs the tests and ends with what counts: which peers were missing (loudly), then `N passed, N failed[, N skipped]` alone on the last line.
//   node scripts/test.ts [--long] [filter ...]
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

const [, , ...words] = process.argv;
const long = words.includes("--long");
const filters = words.filter((word) => word !== "--long");
const folder = mkdtempSync(join(tmpdir(), "petrel-test-"));
const reportPath = join(folder, "report.json");

const runVitest = (): Promise<number> => {
  const projects = long ? ["--project", "long"] : ["--project", "unit"];
  const reporters = ["--reporter", "default", "--reporter", "json", `--outputFile.json=${reportPath}`];
  const child = spawn(
    process.execPath,
    [resolve("node_modules/vitest/vitest.mjs"), "run", ...projects, ...reporters, ...filters],
    { stdio: "inherit" },
  );
  return new Promise((done) => child.on("exit", (code) => done(code ?? 1)));
};

const readReport = (): Report | null => {
  try {
    return JSON.parse(readFileSync(reportPath, "utf8")) as Report;
  } catch {
    return null;
  }
};

const sayMissingPeers = (report: Report): void => {
  const skipped = report.testResults.flatMap((file) =>
    file.assertionResults
      .filter(({ status }) => status === "skipped" || status === "pending")
      .map(({ fullName }) => fullName),
  );
  if (skipped.length === 0) return;
  console.log(
    `\n=== ${skipped.length} SKIPPED, most for want of a peer (PETREL_PEERS=required makes that a failure; .ci/run installs them):`,
  );
  for (const name of [...new Set(skipped)].sort()) console.log(`===   ${name}`);
};

const code = await runVitest();
const report = readReport();
rmSync(folder, { recursive: true, force: true });
if (report === null) {
  console.log("\nno report was written: the test runner itself failed\n\n0 passed, 1 failed");
  process.exit(1);
}
sayMissingPeers(report);
// A file that does not load has no failed test in it, and a leak fails a suite after its tests passed: both count as one failure each.
const brokenFiles = report.testResults.filter(
  ({ status, assertionResults }) =>
    status === "failed" && !assertionResults.some((test) => test.status === "failed"),
);
for (const file of brokenFiles) console.log(`=== FAILED outside a test: ${file.name}`);
const failed =
  report.numFailedTests +
  brokenFiles.length +
  (code !== 0 && report.numFailedTests + brokenFiles.length === 0 ? 1 : 0);
const skipped = report.numPendingTests + report.numTodoTests;
console.log(
  `\n${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`,
);
process.exit(failed > 0 ? 1 : code);
