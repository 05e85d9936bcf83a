// `npm run package [-- --arch x64|arm64] [--out folder]`: the agent as a single executable, dist/petrel-linux-<arch>, made with `@yao-pkg/pkg --sea`.
// Everything comes from package registries: the agent in one CommonJS file (package/bundle.ts), the Node that npm carries (package/node-binary.ts).
// docs/packaging.md says what the executable is and what it is not.
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ROOT } from "./build.ts";
import { ARCHITECTURES, type Architecture, nodeVersion } from "./package/architecture.ts";
import { bundleForExecutable } from "./package/bundle.ts";
import { nodeBinary } from "./package/node-binary.ts";
import { runPkg } from "./package/pkg.ts";

export interface PackageOptions {
  readonly arch: Architecture;
  /** The folder that the executable is put into. */
  readonly out?: string;
  readonly progress?: (line: string) => void;
}

const MIB = 2 ** 20;

/** Makes the executable (about ten seconds once Node's binary is there) and returns its path. */
export const packageAgent = async (options: PackageOptions): Promise<string> => {
  const { arch, out = join(ROOT, "dist"), progress = () => undefined } = options;
  const target = join(out, `petrel-linux-${arch}`);
  const folder = mkdtempSync(join(tmpdir(), "petrel-package-"));
  try {
    progress(`bundling the agent for linux-${arch} ...`);
    const script = join(folder, "petrel.cjs");
    await bundleForExecutable(script, arch);
    progress(`  ${(statSync(script).size / MIB).toFixed(1)} MiB of JavaScript, the serial binding included`);
    const node = await nodeBinary(arch, progress);
    progress("writing the executable with pkg --sea ...");
    mkdirSync(out, { recursive: true });
    // Renamed when whole: an executable that runs meanwhile keeps its file, and half of one is never found under its name.
    const draft = join(out, `.petrel-linux-${arch}.${process.pid}`);
    try {
      await runPkg({ script, node, arch, output: draft, folder });
      renameSync(draft, target);
    } finally {
      rmSync(draft, { force: true });
    }
    return target;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** What this machine is, as far as executables are made for it. */
export const hostArchitecture = (): Architecture =>
  ARCHITECTURES.find((arch) => arch === process.arch) ?? ARCHITECTURES[0];

const parseArchitecture = (given: string | undefined): Architecture => {
  if (given === undefined) return hostArchitecture();
  const arch = ARCHITECTURES.find((name) => name === given);
  if (arch === undefined) throw new Error(`--arch: expected ${ARCHITECTURES.join(" or ")}, found "${given}"`);
  return arch;
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({ options: { arch: { type: "string" }, out: { type: "string" } } });
  const started = performance.now();
  const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1).padStart(5);
  const arch = parseArchitecture(values.arch);
  const path = await packageAgent({
    arch,
    ...(values.out === undefined ? {} : { out: resolve(values.out) }),
    progress: (line) => console.log(`${seconds()} s  ${line}`),
  });
  const { size } = statSync(path);
  console.log(`${seconds()} s  ${path}: ${(size / MIB).toFixed(0)} MiB, Node ${nodeVersion(arch)} inside`);
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
