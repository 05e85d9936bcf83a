// The machines that a single executable is made for, and what each is called where its parts come from.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../build.ts";

/** As Node, npm and pkg name them. 32-bit ARM is missing: npm carries no Node for it that has node:sqlite. */
export const ARCHITECTURES = ["x64", "arm64"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** The npm package that carries Node itself. */
export const nodePackage = (arch: Architecture): string => `node-linux-${arch}`;

const BINDING: Readonly<Record<Architecture, string>> = {
  x64: "linux-x64/@serialport+bindings-cpp.glibc.node",
  arm64: "linux-arm64/@serialport+bindings-cpp.armv8.glibc.node",
};

/** serialport's prebuilt native half: all architectures come with the one npm package. */
export const serialBinding = (arch: Architecture): string =>
  join(ROOT, "node_modules/@serialport/bindings-cpp/prebuilds", BINDING[arch]);

/** The exact version of Node that package.json names: the same one that runs every npm script. */
export const nodeVersion = (arch: Architecture): string => {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  };
  const version = manifest.optionalDependencies?.[nodePackage(arch)];
  if (version === undefined)
    throw new Error(`package.json: expected an optional dependency ${nodePackage(arch)}, found none`);
  return version;
};
