// Builds a shim of this folder with the machine's cc, once per process and folder. The caller gives a folder of its own and removes it.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Compiles scripts/shims/`name`.c into `folder` and returns the path for LD_PRELOAD. */
export const buildShim = (name: string, folder: string, cc = "cc"): string => {
  const source = fileURLToPath(new URL(`./${name}.c`, import.meta.url));
  const target = join(folder, `${name}.so`);
  execFileSync(cc, ["-O2", "-Wall", "-shared", "-fPIC", "-pthread", "-o", target, source, "-ldl"], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return target;
};
