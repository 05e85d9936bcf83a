// Runs the child with the shim's log, then opens the store in many states that a power cut could have left.

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect } from "vitest";
import { openStore } from "#agent/store/open.ts";
import { seeded } from "#test/support/seeded.ts";
import type { ChildTask } from "./child.ts";
import { prepareScene, type Scene, startShimmed } from "./faulty.ts";
import { acknowledgedBefore, type CrashState, crashStates, parseLog } from "./power-cut.ts";
import { optionsFor } from "./runtime.ts";
import { type Child, idsOf, openTestStore, temporaryFolder } from "./support.ts";

export interface PowerCuts {
  readonly seed: number;
  readonly sources: number;
  readonly restarts: number;
  readonly states: number;
}

const rowsAfter = async (folder: string, state: CrashState): Promise<Set<number>> => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  for (const [name, content] of state.files) writeFileSync(join(folder, basename(name)), content);
  const store = await openStore(optionsFor(join(folder, "petrel.db")));
  const found = new Set(idsOf(store));
  await store.close();
  return found;
};

interface Recording {
  readonly scene: Scene;
  /** What was on the disk when the recording began. */
  readonly base: ReadonlyMap<string, Buffer>;
  readonly log: string;
  readonly ackFile: string;
}

const beginRecording = async (cc: string): Promise<Recording> => {
  const scene = prepareScene(cc);
  await (await openTestStore(scene.path)).close();
  const base = new Map([[scene.path, readFileSync(scene.path)]]);
  return { scene, base, log: join(scene.root, "log"), ackFile: join(scene.folder, "acks") };
};

const record = ({ scene, log, ackFile }: Recording, task: Partial<ChildTask>): Child =>
  startShimmed(scene, { ...task, ackFile }, { SHIM_LOG: log });

/** Opens the store in `states` states of the disk at moments drawn with `seed`; returns how many acknowledged rows were looked for. */
const checkStates = async (recording: Recording, seed: number, states: number): Promise<number> => {
  const events = parseLog(readFileSync(recording.log));
  const random = seeded(seed);
  const moments = Array.from({ length: states }, () => Math.floor(random() * (events.length + 1)));
  moments.sort((left, right) => left - right);
  // The last one: everything was written, nothing more was synced.
  moments.push(events.length);
  const folder = temporaryFolder();
  let looked = 0;
  for (const state of crashStates(recording.base, events, moments, random)) {
    const promised = acknowledgedBefore(events, state.event, recording.ackFile);
    const found = await rowsAfter(folder, state);
    const lost = promised.filter((id) => !found.has(id));
    expect(lost, `seed ${seed}, cut before event ${state.event} of ${events.length}`).toEqual([]);
    looked += promised.length;
  }
  return looked;
};

/** Rows that were reported durable, through restarts of the WAL and a close. */
export const checkPowerCuts = async (cc: string, cuts: PowerCuts): Promise<number> => {
  const recording = await beginRecording(cc);
  const child = record(recording, { sources: cuts.sources, restarts: cuts.restarts, forcedBytes: 32 * 1024 });
  expect(await child.ended).toBe("0");
  return await checkStates(recording, cuts.seed, cuts.states);
};

/** Rows that a process left unsynced when it was killed, and that the next one has read: they may have had their effect. */
export const checkRereads = async (cc: string, seed: number, states: number): Promise<number> => {
  const recording = await beginRecording(cc);
  for (const scenario of ["unsynced", "reread"] as const) {
    const child = record(recording, { scenario });
    await child.said(/^written$/);
    child.process.kill("SIGKILL");
    expect(await child.ended).toBe("SIGKILL");
  }
  return await checkStates(recording, seed, states);
};
