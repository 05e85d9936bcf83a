// The agent as one CommonJS file: what a single executable starts (Node's SEA main script is CommonJS and can load nothing but Node's own modules).
// Where the ordinary bundle has files beside it, this one has text: the checkpoint worker's code and serialport's native binding.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { commonOptions, ROOT, versionDefines } from "../build.ts";
import { type Architecture, serialBinding } from "./architecture.ts";

/**
 * `require` of a main script knows Node's modules only; this one also looks for packages beside the executable, where `onoff` may be installed.
 * A CommonJS file has no address of its own: whoever asks for it gets the executable's.
 */
const PROLOGUE = `var require = require("node:module").createRequire(process.execPath);
const __petrelUrl = require("node:url").pathToFileURL(process.execPath).href;`;

/** The file of @serialport/bindings-cpp that searches the disk for its native half is replaced by one that has it. */
const embeddedBinding = (): Plugin => ({
  name: "embedded-binding",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\.\/serialport-bindings$/ }, () => ({
      path: join(ROOT, "scripts/package/embedded-binding.ts"),
    }));
  },
});

const cjs = (): BuildOptions => ({ ...commonOptions(), format: "cjs", outExtension: {} });

/** The worker runs from its text, which Node takes for CommonJS. */
const workerText = async (): Promise<string> => {
  const { outputFiles } = await build({
    ...cjs(),
    entryPoints: ["agent/store/checkpoint-worker.ts"],
    write: false,
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild: expected one file for the checkpoint worker, found none");
  return file.text;
};

export const bundleForExecutable = async (outfile: string, arch: Architecture): Promise<void> => {
  await build({
    ...cjs(),
    entryPoints: ["agent/main.ts"],
    outfile,
    external: ["onoff"],
    banner: { js: PROLOGUE },
    plugins: [embeddedBinding()],
    define: {
      ...versionDefines(),
      "import.meta.url": "__petrelUrl",
      PETREL_WORKER_SOURCE: JSON.stringify(await workerText()),
      PETREL_SERIAL_BINDING: JSON.stringify(readFileSync(serialBinding(arch)).toString("base64")),
    },
  });
};
