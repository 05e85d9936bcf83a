// The disk under the agent when its power may be cut: what the agent writes and syncs is recorded (scripts/shims/disk.c), and after a kill its folder becomes
// one of the states in which a disk may be then (test/agent/store/power-cut.ts has the rule). A kill that is only a kill leaves everything there, still not
// synced: a later cut may take it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildShim } from "#scripts/shims/build.ts";
import { crash, createDisk, type Disk, liveFiles, parseLog, replay } from "#test/agent/store/power-cut.ts";

export interface PoweredDisk {
  /** With this the agent is started. */
  readonly environment: Readonly<Record<string, string>>;
  /** Once the agent is dead: nothing more happened to it than the kill. */
  kept(): void;
  /** Once the agent is dead: the power was cut too. */
  cut(): void;
  /** Bytes written that a cut took back, in whole or in part. */
  lostBytes(): number;
}

const filesIn = (folder: string): Map<string, Buffer> => {
  if (!existsSync(folder)) return new Map();
  const names = readdirSync(folder).filter((name) => !name.endsWith("-shm"));
  const paths = names.map((name) => join(folder, name)).filter((path) => statSync(path).isFile());
  return new Map(paths.map((path) => [path, readFileSync(path)]));
};

/** The kill may fall between a call and its record: what is there without one was written, not synced. */
const recordStrays = (disk: Disk, folder: string): void => {
  const known = liveFiles(disk);
  const there = filesIn(folder);
  const event = (kind: string, path: string, offset: number, data: Uint8Array): void =>
    replay(disk, { kind, path, second: "", offset, data });
  for (const [path, content] of there) {
    const before = known.get(path);
    if (before?.equals(content)) continue;
    if (before !== undefined && before.length > content.length)
      event("t", path, content.length, content.subarray(0, 0));
    event("w", path, 0, content);
  }
  for (const path of known.keys()) if (!there.has(path)) event("u", path, 0, new Uint8Array());
};

const differing = (before: ReadonlyMap<string, Buffer>, after: ReadonlyMap<string, Buffer>): number => {
  let bytes = 0;
  for (const [path, content] of before) {
    const left = after.get(path) ?? Buffer.alloc(0);
    for (let at = 0; at < content.length; at += 1) if (content[at] !== left[at]) bytes += 1;
  }
  return bytes;
};

/** `state` is the folder that loses its power, `outside` one of the caller's that does not. */
export const poweredDisk = (
  state: string,
  outside: string,
  cc: string,
  random: () => number,
): PoweredDisk => {
  const log = join(outside, "disk.log");
  const environment = { LD_PRELOAD: buildShim("disk", outside, cc), SHIM_FOLDER: state, SHIM_LOG: log };
  let disk = createDisk(filesIn(state));
  let lostBytes = 0;

  const kept = (): void => {
    if (existsSync(log)) for (const event of parseLog(readFileSync(log))) replay(disk, event);
    rmSync(log, { force: true });
    recordStrays(disk, state);
  };

  const cut = (): void => {
    kept();
    const before = liveFiles(disk);
    const files = crash(disk, random);
    lostBytes += differing(before, files);
    rmSync(state, { recursive: true, force: true });
    mkdirSync(state, { recursive: true, mode: 0o700 });
    for (const [path, content] of files) writeFileSync(path, content, { mode: 0o600 });
    disk = createDisk(files);
  };

  return { environment, kept, cut, lostBytes: () => lostBytes };
};
