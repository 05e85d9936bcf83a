// Installs the optional oracles into the cache folder ($PETREL_CACHE, or .cache in the project): the vodozemac
// wheel in a virtual environment, goolm built from the pinned module. CI calls it too.
//   node test/peers/olm/install.ts [vodozemac] [goolm]      without a name: both
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  CACHE,
  GOOLM_BINARY,
  GOOLM_SOURCE,
  VODOZEMAC_PYTHON,
  VODOZEMAC_VENV,
  VODOZEMAC_VERSION,
} from "./peers.ts";

const run = (command: string, args: readonly string[], cwd: string): void => {
  const { status, error } = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (error !== undefined || status !== 0)
    throw new Error(`"${command} ${args.join(" ")}" failed: ${error?.message ?? `exit code ${status}`}`);
};

const installVodozemac = (): void => {
  run("python3", ["-m", "venv", VODOZEMAC_VENV], CACHE);
  run(VODOZEMAC_PYTHON, ["-m", "pip", "install", "--quiet", `vodozemac==${VODOZEMAC_VERSION}`], CACHE);
};

// -mod=readonly: go.sum fixes every byte of what is built.
const installGoolm = (): void =>
  run("go", ["build", "-mod=readonly", "-tags", "goolm", "-o", GOOLM_BINARY, "."], GOOLM_SOURCE);

const INSTALLERS: Record<string, () => void> = { vodozemac: installVodozemac, goolm: installGoolm };

if (import.meta.main) {
  mkdirSync(join(CACHE), { recursive: true });
  const asked = process.argv.slice(2);
  for (const name of asked.length > 0 ? asked : Object.keys(INSTALLERS)) {
    const install = INSTALLERS[name];
    if (install === undefined)
      throw new RangeError(`no peer "${name}": ${Object.keys(INSTALLERS).join(", ")}`);
    install();
    console.log(`${name}: installed into ${CACHE}`);
  }
}
