// The suite `machine` (issue 5, "Measured"): the encryption machine beside matrix-sdk-crypto's (the code in Element), in one run, interleaved rounds. Each row with
// ours in memory, as theirs is (it has no other store in Node), then with ours on disk, durable before each effect. Data sets are generated.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Holds } from "./machine/holds.ts";
import type { Held } from "./machine/memory.ts";
import type { Times } from "./machine/times.ts";
import { atMost, type BenchRow, median } from "./row.ts";

export const name = "machine";

type Emit = (row: BenchRow) => void;

/** Ours / theirs. Null: shown without a goal. */
const goalOf = (op: string): number | null => {
  if (op.startsWith("encrypt")) return 0.5;
  if (op.startsWith("decrypt")) return 0.3;
  return op.startsWith("a sync") ? null : 0.6;
};

const PEER = "crypto-wasm";
const OUTPUT_BYTES_MAX = 10_000_000;
const MEMORY_OPS: readonly (readonly [string, string])[] = [
  ["idle", "new"],
  ["query", "2,000 devices known"],
  ["share", "1,000 devices with the room key"],
  ["import", "5,000 room keys imported"],
];

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const bundle = async (folder: string): Promise<string> => {
  const outfile = join(folder, "machine.mjs");
  const entryPoints = [here("./machine/ours-entry.ts")];
  const how = { bundle: true, minify: true, format: "esm", platform: "node", target: "node22" } as const;
  await build({ ...how, entryPoints, outfile, logLevel: "error" });
  return outfile;
};

/** The last line that a child of the bench prints, which is JSON. */
const runChild = (script: string, args: readonly string[]): unknown => {
  const options = { encoding: "utf8", maxBuffer: OUTPUT_BYTES_MAX } as const;
  const all = ["--expose-gc", "--disable-warning=ExperimentalWarning", here(script), ...args];
  return JSON.parse(execFileSync(process.execPath, all, options).trim().split("\n").at(-1) ?? "");
};

const shown = (row: Omit<BenchRow, "ratio" | "goal" | "met">): BenchRow => ({
  ...row,
  ratio: row.value === null || row.peerValue === null ? null : row.value / row.peerValue,
  goal: "none",
  met: true,
});

const emitTimes = (emit: Emit, times: Times): void => {
  const of = (contestant: string, op: string): number => median(times[contestant]?.[op] ?? []);
  for (const op of Object.keys(times["ours"] ?? {})) {
    const goal = goalOf(op);
    const row = { name: op, unit: "ms", value: of("ours", op), peer: PEER, peerValue: of(PEER, op) };
    emit(goal === null ? shown(row) : atMost({ ...row, goal }));
    emit(shown({ ...row, name: `${op}, SQLite, durable`, value: of("ours, SQLite", op) }));
  }
};

const emitMemory = (emit: Emit, file: string): void => {
  for (const [op, what] of MEMORY_OPS) {
    // The child prints a Held.
    const held = (who: string): Held => runChild("./machine/memory.ts", [file, who, op]) as Held;
    const [memory, disk, theirs] = [held("ours"), held("disk"), held("theirs")];
    const beside = { unit: "MB", peer: PEER };
    emit(shown({ ...beside, name: `heap, ${what}`, value: memory.heap, peerValue: theirs.heap }));
    emit(
      shown({ ...beside, name: `RSS added, ${what}`, value: memory.rssAdded, peerValue: theirs.rssAdded }),
    );
    emit(shown({ ...beside, name: `heap, ${what}, SQLite`, value: disk.heap, peerValue: theirs.heap }));
    emit(
      shown({
        ...beside,
        name: `RSS added, ${what}, SQLite`,
        value: disk.rssAdded,
        peerValue: theirs.rssAdded,
      }),
    );
  }
};

const HOLD_GOAL_MS = 50;

const emitHolds = (emit: Emit, rounds: number): void => {
  // holds.ts prints Holds.
  const all = Array.from({ length: rounds }, () => runChild("./machine/holds.ts", []) as Holds);
  for (const what of Object.keys(all[0] ?? {}))
    emit(
      atMost({
        name: `longest hold of the loop (max of ${rounds}): ${what}`,
        unit: "ms",
        value: Math.max(...all.map((holds) => holds[what]?.cpuMs ?? 0)),
        peer: "-",
        peerValue: null,
        goal: HOLD_GOAL_MS,
        reason: `CPU time of the loop's thread; by the wall ${Math.max(...all.map((holds) => holds[what]?.wallMs ?? 0)).toFixed(0)} ms, others' turns included`,
      }),
    );
};

export const run = async (emit: Emit, { rounds }: { readonly rounds: number }): Promise<void> => {
  mkdirSync(here("../../.cache/bench"), { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), "petrel-bench-machine-"));
  try {
    const file = await bundle(folder);
    // times.ts prints Times.
    emitTimes(emit, runChild("./machine/times.ts", [file, String(rounds)]) as Times);
    emitHolds(emit, rounds);
    emitMemory(emit, file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
