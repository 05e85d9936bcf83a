// The crypto bench: ours (bundled) beside libolm's WebAssembly in one run, medians of interleaved rounds; vodozemac
// native and our noble provider beside them; size, load time, heap. `npm run bench -- crypto`.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { CACHE } from "#test/peers/olm/peers.ts";
import { which } from "#test/support/peers.ts";
import type { Report } from "./peers/olm-run.ts";
import { atMost, type BenchRow, median, missing } from "./row.ts";

export const name = "crypto";

type Emit = (row: BenchRow) => void;

/** Ours / libolm, by the table of the issue; null: shown without a goal. */
const GOALS: Record<string, number | null> = {
  "Megolm encrypt 100 B": 1.4,
  "Megolm encrypt 900 B": 1.0,
  "Megolm encrypt 40 KB": 0.2,
  "Megolm decrypt 100 B": 1.3,
  "Megolm decrypt 900 B": 1.05,
  "Megolm decrypt 40 KB": 0.2,
  "Olm outbound session": 0.4,
  "Olm inbound session + decrypt": 0.65,
  "Olm one-way encrypt 900 B": 1.0,
  "Olm one-way decrypt 900 B": 0.95,
  "Olm ping-pong encrypt 900 B": 0.45,
  "Olm ping-pong decrypt 900 B": 0.5,
  "ratchet export at 2^20": 2.0,
  "ratchet export at 2^24-1": 2.0,
  "account with 50 one-time keys": 0.33,
  "Megolm outbound new": null,
  "Megolm inbound new": null,
};

const ATTACHMENT_GOAL = 1.3;
const BUNDLE_BYTES_GOAL = 120_000;
const LOAD_ROUNDS = 7;
const OUTPUT_BYTES_MAX = 10_000_000;

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A row that is shown for comparison only. */
const shown = (row: Omit<BenchRow, "ratio" | "goal" | "met">): BenchRow => ({
  ...row,
  ratio: row.value === null || row.peerValue === null ? null : row.value / row.peerValue,
  goal: "none",
  met: true,
});

/** All of crypto/ as one minified file, noble within. */
const bundle = async (folder: string): Promise<string> => {
  const outfile = join(folder, "crypto.mjs");
  await build({
    entryPoints: [here("./peers/olm-entry.ts")],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    target: "node22",
    outfile,
    logLevel: "error",
  });
  return outfile;
};

const measure = (file: string, rounds: number): Report => {
  const args = ["--expose-gc", here("./peers/olm-run.ts"), file, String(rounds)];
  const out = execFileSync(process.execPath, args, { encoding: "utf8", maxBuffer: OUTPUT_BYTES_MAX });
  // olm-run.ts prints a Report, and nothing else.
  return JSON.parse(out) as Report;
};

/** Milliseconds of importing `file` in a new process, without the start of Node. */
const loadMs = (file: string): number => {
  const script = `const t = performance.now(); await import(process.argv[1]); console.log(performance.now() - t)`;
  const once = (): number =>
    Number(execFileSync(process.execPath, ["--input-type=module", "-e", script, file], { encoding: "utf8" }));
  return median(Array.from({ length: LOAD_ROUNDS }, once));
};

/** vodozemac's times by operation; null where it cannot be built. Cargo builds it once, into the cache folder. */
const vodozemacTimes = (rounds: number): Map<string, number> | null => {
  const cargo = which("cargo") ?? which(join(process.env["HOME"] ?? "", ".cargo/bin/cargo"));
  if (cargo === null) return null;
  const target = join(CACHE, "olm-vodozemac");
  const manifest = here("./peers/olm-vodozemac/Cargo.toml");
  const args = [
    "build",
    "--quiet",
    "--release",
    "--locked",
    "--manifest-path",
    manifest,
    "--target-dir",
    target,
  ];
  if (spawnSync(cargo, args, { stdio: ["ignore", "ignore", "inherit"] }).status !== 0) return null;
  const out = execFileSync(join(target, "release/olm-vodozemac"), [String(rounds)], { encoding: "utf8" });
  const lines = out
    .trim()
    .split("\n")
    .map((line) => line.split("\t"));
  return new Map(lines.map(([op = "", us = ""]) => [op, Number(us)]));
};

const emitOps = (emit: Emit, { times }: Report, native: Map<string, number> | null): void => {
  for (const [op, goal] of Object.entries(GOALS)) {
    const us = (subject: string): number => median(times[subject]?.[op] ?? []);
    const base = { name: op, unit: "us", value: us("ours") };
    const beside = { ...base, peer: "libolm wasm", peerValue: us("libolm") };
    emit(goal === null ? shown(beside) : atMost({ ...beside, goal }));
    const peerValue = native?.get(op) ?? null;
    const absent = native === null ? { reason: "cargo is missing, or the crate did not build" } : {};
    emit(shown({ ...base, peer: "vodozemac native", peerValue, ...absent }));
    const noble = { name: `${op} (noble provider)`, unit: "us", value: us("noble") };
    emit(shown({ ...noble, peer: "libolm wasm", peerValue: us("libolm") }));
  }
};

const emitAttachment = (emit: Emit, { attachment }: Report): void => {
  for (const way of ["encrypt", "decrypt"] as const)
    emit(
      atMost({
        name: `attachment 10 MB ${way}`,
        unit: "ms",
        value: median(attachment[way]),
        peer: "createCipheriv + SHA-256",
        peerValue: median(attachment.bare),
        goal: ATTACHMENT_GOAL,
      }),
    );
};

const emitSizes = (emit: Emit, file: string, { heap }: Report): void => {
  const bytes = statSync(file).size;
  const size = { name: "crypto/ bundled, minified, with noble", unit: "bytes", value: bytes };
  emit(atMost({ ...size, peer: "none", peerValue: null, goal: BUNDLE_BYTES_GOAL }));
  const olm = fileURLToPath(import.meta.resolve("@matrix-org/olm"));
  emit(
    shown({
      name: "load time",
      unit: "ms",
      value: loadMs(file),
      peer: "libolm wasm, without init()",
      peerValue: loadMs(olm),
    }),
  );
  for (const [kind, each] of Object.entries(heap))
    emit(shown({ name: `heap per ${kind}`, unit: "bytes", value: each, peer: "none", peerValue: null }));
};

export const run = async (emit: Emit, { rounds }: { rounds: number }): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-bench-crypto-"));
  try {
    const file = await bundle(folder);
    const report = measure(file, rounds);
    emitOps(emit, report, vodozemacTimes(rounds));
    emitAttachment(emit, report);
    emitSizes(emit, file, report);
  } catch (error) {
    emit(
      missing("crypto", "us", "libolm wasm", "all", error instanceof Error ? error.message : String(error)),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
