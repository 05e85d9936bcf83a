// Runs `pkg --sea` without a download. pkg wants Node's binaries from nodejs.org; it takes what lies in its cache (`~/.pkg-cache/sea`, lib-es5/sea.js
// getNodejsExecutable): an archive and a binary, each with an `.ok` beside it. So it gets a home folder of its own, filled with the binary that npm brought.
// The input is one plain .cjs file, which is pkg's simple mode: the file itself is the SEA main script. With a package.json pkg would add a virtual
// file system (0.4 MB of code that patches node:fs): 160 ms at each start and 16 MB that nothing here needs.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../build.ts";
import { runChild } from "../servers/child.ts";
import { type Architecture, nodeVersion } from "./architecture.ts";

export interface PkgRun {
  /** One CommonJS file. */
  readonly script: string;
  readonly node: string;
  readonly arch: Architecture;
  readonly output: string;
  /** An empty folder for pkg's home. */
  readonly folder: string;
}

/** The blob is made by a Node of the same version for this machine: pkg takes the one that runs it. */
const fillCache = (home: string, version: string, arch: Architecture, node: string): void => {
  const cache = join(home, ".pkg-cache/sea");
  const name = `node-v${version}-linux-${arch}`;
  mkdirSync(join(cache, name, "bin"), { recursive: true });
  writeFileSync(join(cache, `${name}.tar.gz`), "");
  writeFileSync(join(cache, `${name}.tar.gz.ok`), "");
  symlinkSync(node, join(cache, name, "bin/node"));
  writeFileSync(join(cache, name, "bin/node.ok"), "");
};

export const runPkg = async ({ arch, folder, node, output, script }: PkgRun): Promise<void> => {
  const version = nodeVersion(arch);
  if (process.version !== `v${version}`)
    throw new Error(
      `expected to run on Node ${version}, the one that goes into the executable, found ${process.version}; start this as: npm run package`,
    );
  const home = join(folder, "home");
  fillCache(home, version, arch, node);
  const pkg = join(ROOT, "node_modules/@yao-pkg/pkg/lib-es5/bin.js");
  const target = `node${version}-linux-${arch}`;
  const args = [`HOME=${home}`, process.execPath, pkg, "--sea", script, "-t", target, "-o", output];
  await runChild("env", args, folder);
};
