// A child process on a disk that fails as scripts/shims/disk.c is told, and what must hold after the first failure.
import { mkdirSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { buildShim } from "#scripts/shims/build.ts";
import type { ChildTask } from "./child.ts";
import { acknowledged, type Child, idsOf, openTestStore, startChild, temporaryFolder } from "./support.ts";

const { EIO, ENOSPC } = constants.errno;

/** Small, so that the worker meets the fault too. */
const FORCED_BYTES = 64 * 1024;
const RESTARTS = 6;

export interface Scene {
  readonly root: string;
  readonly folder: string;
  readonly path: string;
  readonly arm: string;
  readonly shim: string;
}

export const prepareScene = (cc: string): Scene => {
  const root = temporaryFolder();
  const folder = join(root, "store");
  mkdirSync(folder);
  return {
    root,
    folder,
    path: join(folder, "petrel.db"),
    arm: join(root, "armed"),
    shim: buildShim("disk", root, cc),
  };
};

/** Starts the child with the shim loaded; faults and delays begin once its store is open. */
export const startShimmed = (scene: Scene, task: Partial<ChildTask>, env: Record<string, string>): Child =>
  startChild(
    { path: scene.path, scenario: "produce", armFile: scene.arm, ...task },
    { LD_PRELOAD: scene.shim, SHIM_FOLDER: scene.folder, SHIM_ARM: scene.arm, ...env },
  );

export interface Fault {
  readonly call: "sync" | "write";
  readonly errno: "EIO" | "ENOSPC";
  readonly code: "SYNC" | "FULL";
  readonly lasting: "once" | "ever";
  /** Only files whose name ends so. */
  readonly file?: string;
}

/** Every kind of fault that the store must survive with its word kept. */
export const FAULTS: readonly Fault[] = (["once", "ever"] as const).flatMap((lasting) => [
  { call: "sync", errno: "EIO", code: "SYNC", lasting },
  { call: "write", errno: "EIO", code: "SYNC", lasting },
  { call: "write", errno: "ENOSPC", code: "FULL", lasting },
]);

export const nameOf = (fault: Fault): string =>
  `the ${fault.call}s ${fault.file === undefined ? "" : `of ${fault.file} `}fail with ${fault.errno}, ${fault.lasting === "once" ? "once" : "for good"}`;

const envOf = (fault: Fault, nth: number): Record<string, string> => {
  const errno = fault.errno === "EIO" ? EIO : ENOSPC;
  const plan = { SHIM_FAIL: `${fault.call}:${nth}:${errno}:${fault.lasting}` };
  return fault.file === undefined ? plan : { ...plan, SHIM_FAIL_NAME: fault.file };
};

/** Every row that was acknowledged is there, and none that came after the failure. */
const checkRows = async (path: string, child: Child, context: string): Promise<void> => {
  const found = new Set(idsOf(await openTestStore(path)));
  const lost = acknowledged(child).filter((id) => !found.has(id));
  expect(lost, context).toEqual([]);
  expect(
    [...found].filter((id) => id < 0),
    context,
  ).toEqual([]);
};

/** Runs the scenario, as long as `restarts` of the WAL, with the `nth` call failing. Returns false when it ended without meeting the fault. */
export const survives = async (
  cc: string,
  fault: Fault,
  nth: number,
  restarts: number = RESTARTS,
): Promise<boolean> => {
  const scene = prepareScene(cc);
  const child = startShimmed(scene, { sources: 4, forcedBytes: FORCED_BYTES, restarts }, envOf(fault, nth));
  const ended = await child.ended;
  const context = `${nth}: ${child.lines.slice(-8).join(" | ")}`;
  if (ended === "0") {
    await checkRows(scene.path, child, context);
    return false;
  }
  expect(ended, context).toBe("3");
  const failed = child.lines.findIndex((line) => line.startsWith("failed "));
  expect(child.lines[failed], context).toBe(`failed ${fault.code}`);
  const after = child.lines.slice(failed + 1);
  expect(after.length, context).toBe(6);
  for (const line of after) expect(line, context).toMatch(new RegExp(`^(after|durable) ${fault.code}$`));
  await checkRows(scene.path, child, context);
  return true;
};
