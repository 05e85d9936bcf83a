// Where the oracles of other implementations are, and how each is started. A peer that is not installed is null.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { childOracle } from "./client.ts";
import type { Oracle } from "./protocol.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Where built and installed peers live. */
export const CACHE: string = process.env["PETREL_CACHE"] ?? here("../../../.cache");

export const VODOZEMAC_VERSION = "0.10.0";
export const VODOZEMAC_VENV: string = `${CACHE}/vodozemac-${VODOZEMAC_VERSION}`;
export const VODOZEMAC_PYTHON: string = `${VODOZEMAC_VENV}/bin/python`;

// The version of mautrix-go stands in goolm/go.mod.
export const GOOLM_SOURCE: string = here("./goolm");
export const GOOLM_BINARY: string = `${CACHE}/goolm-oracle-0.26.0`;

export type Peer = { readonly name: string; start(): Oracle };

/** libolm in WebAssembly: a dev dependency, always there. */
export const libolm: Peer = {
  name: "libolm",
  start: () => childOracle("libolm", process.execPath, [here("./libolm.ts")]),
};

export const vodozemac: Peer | null = existsSync(VODOZEMAC_PYTHON)
  ? {
      name: "vodozemac",
      start: () => childOracle("vodozemac", VODOZEMAC_PYTHON, [here("./vodozemac_oracle.py")]),
    }
  : null;

export const goolm: Peer | null = existsSync(GOOLM_BINARY)
  ? { name: "goolm", start: () => childOracle("goolm", GOOLM_BINARY, []) }
  : null;
