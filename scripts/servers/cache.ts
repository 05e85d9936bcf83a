// Where peers are kept once they were installed, and installing them so that a half-made one is never taken for whole.
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** `PETREL_CACHE`, or `.cache` in the project. Set to nothing it is not set: a relative path would be another one for each process. */
export const cacheFolder = (): string => {
  const named = process.env["PETREL_CACHE"] ?? "";
  return named === "" ? join(PROJECT, ".cache") : resolve(named);
};

export const isCached = (name: string, witness: string): boolean =>
  existsSync(join(cacheFolder(), name, witness));

/** True where CI says that a missing peer is a failure: then peers are installed on demand. */
export const mustHavePeers = (): boolean => process.env["PETREL_PEERS"] === "required";

/**
 * The folder `name` in the cache, made by `make` if it is not there. It is made beside and renamed when whole; whoever comes second
 * (two test files at once) finds the first one's.
 */
export const cached = async (
  name: string,
  witness: string,
  make: (folder: string) => Promise<void>,
): Promise<string> => {
  const target = join(cacheFolder(), name);
  if (existsSync(join(target, witness))) return target;
  const draft = `${target}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  try {
    await make(draft);
    if (existsSync(join(target, witness))) return target;
    rmSync(target, { recursive: true, force: true });
    renameSync(draft, target);
    return target;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
};
