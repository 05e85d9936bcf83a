// A script for the guest as one plain file: emulated, Node needs seconds to strip types and to read a hundred modules over the shared folder.
import { basename, extname, join } from "node:path";
import { build } from "esbuild";

export interface GuestFile {
  readonly path: string;
  readonly data: Uint8Array;
}

/** Where a bundled script lies in the guest: `job/<name>.mjs`. */
export const guestPath = (script: string): string => `job/${basename(script, extname(script))}.mjs`;

/** Bundles scripts of this checkout. `alias` replaces packages by files of the checkout. */
export const bundleScripts = async (
  project: string,
  scripts: readonly string[],
  alias: Readonly<Record<string, string>>,
): Promise<GuestFile[]> => {
  const { outputFiles } = await build({
    absWorkingDir: project,
    entryPoints: scripts.map((script) => ({ in: script, out: basename(script, extname(script)) })),
    alias: Object.fromEntries(Object.entries(alias).map(([name, file]) => [name, join(project, file)])),
    bundle: true,
    write: false,
    outdir: "job",
    platform: "node",
    target: "node22",
    format: "esm",
    outExtension: { ".js": ".mjs" },
    // Packages in CommonJS call require for Node's own modules.
    banner: {
      js: 'import { createRequire as petrelRequire } from "node:module"; const require = petrelRequire(import.meta.url);',
    },
    logLevel: "silent",
  });
  return outputFiles.map(({ path, contents }) => ({ path: `job/${basename(path)}`, data: contents }));
};
