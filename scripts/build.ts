// `npm run build`: what ships. One bundle of the agent with its lazily loaded parts beside it, the checkpoint worker, and the library entries with types.
//
//   dist/petrel.mjs            the agent (bin), dist/chunks/* what it loads when a configuration names it
//   dist/checkpoint-worker.mjs the store's worker
//   dist/lib/<entry>.mjs       library entries, as package.json "exports" names them; dist/types/* their declarations
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { withoutBuiltinImports } from "./build/builtins.ts";

export const ROOT: string = resolve(fileURLToPath(import.meta.url), "../..");

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;

/** Optional native packages stay outside: they are found, or not, where the agent is installed. */
const EXTERNAL = ["@serialport/stream", "@serialport/bindings-cpp", "onoff"];

/** Built from a commit, the same bytes come out whenever it is built. */
const buildMs = (): number => {
  const epoch = process.env["SOURCE_DATE_EPOCH"];
  if (epoch !== undefined) return Number(epoch) * 1000;
  try {
    return (
      Number(
        execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: ROOT, encoding: "utf8", stdio: "pipe" }),
      ) * 1000
    );
  } catch {
    return Date.now();
  }
};

/** What every build of shipped code has in common. */
export const commonOptions = (): BuildOptions => ({
  absWorkingDir: ROOT,
  bundle: true,
  platform: "node",
  target: "node22.18",
  format: "esm",
  outExtension: { ".js": ".mjs" },
  external: EXTERNAL,
  // mqtt's copy of Node's streams, for browsers and old Nodes: what its own switch READABLE_STREAM=disable does, and the copy stays out of the bundle.
  alias: { "readable-stream": "node:stream" },
  minify: true,
  keepNames: true,
  legalComments: "none",
  logLevel: "warning",
});

/** What agent/version.ts is told. */
export const versionDefines = (): Record<string, string> => ({
  PETREL_VERSION: JSON.stringify(manifest.version),
  PETREL_BUILD_MS: String(buildMs()),
});

/** "./crypto/olm" -> the file that it is built from. */
const entrySource = (entry: string): string => {
  const path = entry.slice(2) === "telemetry" ? "agent/telemetry" : entry.slice(2);
  const candidates = [`${path}.ts`, `${path}/index.ts`];
  const found = candidates.find((candidate) => existsSync(join(ROOT, candidate)));
  if (found === undefined)
    throw new Error(`package.json exports "${entry}", but there is neither ${candidates.join(" nor ")}`);
  return found;
};

const libraryEntries = (): Record<string, string> =>
  Object.fromEntries(
    Object.keys(manifest.exports)
      .filter((entry) => entry !== "./package.json")
      .map((entry) => [entry.slice(2), entrySource(entry)]),
  );

export const buildAgent = async (outdir: string = join(ROOT, "dist")): Promise<void> => {
  const { outputFiles } = await build({
    ...commonOptions(),
    entryPoints: { petrel: "agent/main.ts" },
    outdir,
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    write: false,
    define: { ...versionDefines(), PETREL_WORKER: JSON.stringify("./checkpoint-worker.mjs") },
  });
  rmSync(join(outdir, "chunks"), { recursive: true, force: true });
  mkdirSync(join(outdir, "chunks"), { recursive: true });
  for (const { path, text } of outputFiles) writeFileSync(path, withoutBuiltinImports(text));
  await build({
    ...commonOptions(),
    entryPoints: { "checkpoint-worker": "agent/store/checkpoint-worker.ts" },
    outdir,
  });
  chmodSync(join(outdir, "petrel.mjs"), 0o755);
};

const buildLibrary = async (): Promise<void> => {
  await build({
    ...commonOptions(),
    entryPoints: libraryEntries(),
    outdir: join(ROOT, "dist/lib"),
    splitting: true,
    chunkNames: "shared/[hash]",
  });
};

/** In a declaration of this package: "#agent/x.ts" and "./x.ts" become "../agent/x.js", which a user's compiler finds beside it. */
const relativeSpecifiers = (file: string, types: string): void => {
  const text = readFileSync(file, "utf8").replace(
    /((?:from|import\()\s*")([#.][^"]+)\.ts"/g,
    (_whole, before: string, path: string) => {
      const target = path.startsWith("#") ? relative(dirname(file), join(types, path.slice(1))) : path;
      return `${before}${target.startsWith(".") ? target : `./${target}`}.js"`;
    },
  );
  writeFileSync(file, text);
};

/** Declarations of the entries and of what they refer to. */
const buildTypes = (): void => {
  const config = join(ROOT, "dist/tsconfig.types.json");
  const types = join(ROOT, "dist/types");
  const settings = {
    extends: "../tsconfig.json",
    compilerOptions: {
      noEmit: false,
      emitDeclarationOnly: true,
      outDir: "types",
      rootDir: "..",
      typeRoots: ["../node_modules/@types"],
    },
    files: Object.values(libraryEntries()).map((path) => `../${path}`),
    include: [],
    exclude: [],
  };
  writeFileSync(config, JSON.stringify(settings, null, 2));
  execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", config], {
    cwd: ROOT,
    stdio: "inherit",
  });
  rmSync(config);
  for (const name of readdirSync(types, { recursive: true, encoding: "utf8" }))
    if (name.endsWith(".d.ts")) relativeSpecifiers(join(types, name), types);
};

export const buildAll = async (): Promise<void> => {
  rmSync(join(ROOT, "dist"), { recursive: true, force: true });
  await buildAgent();
  await buildLibrary();
  buildTypes();
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const started = performance.now();
  await buildAll();
  console.log(`built dist/ in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
