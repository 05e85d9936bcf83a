// Runs the child with the shim's log, then opens the store in many states that a power cut could have left.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect } from "vitest";
import { openStore } from "#agent/store/open.ts";
import { prepareScene, startShimmed } from "./faulty.ts";
import { acknowledgedBefore, type CrashState, crashStates, parseLog } from "./power-cut.ts";
import { optionsFor } from "./runtime.ts";
import { idsOf, openTestStore, seeded, temporaryFolder } from "./support.ts";

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

/** Returns how many acknowledged rows were looked for in all states together. */
export const checkPowerCuts = async (cc: string, cuts: PowerCuts): Promise<number> => {
  const scene = prepareScene(cc);
  await (await openTestStore(scene.path)).close();
  const base = new Map([[scene.path, readFileSync(scene.path)]]);
  const log = join(scene.root, "log");
  const ackFile = join(scene.folder, "acks");
  const task = { sources: cuts.sources, restarts: cuts.restarts, forcedBytes: 32 * 1024, ackFile };
  const child = startShimmed(scene, task, { SHIM_LOG: log });
  expect(await child.ended).toBe("0");
  const events = parseLog(readFileSync(log));
  const random = seeded(cuts.seed);
  const moments = Array.from({ length: cuts.states }, () => Math.floor(random() * (events.length + 1)));
  const folder = temporaryFolder();
  let looked = 0;
  for (const state of crashStates(
    base,
    events,
    moments.sort((left, right) => left - right),
    random,
  )) {
    const promised = acknowledgedBefore(events, state.event, ackFile);
    const found = await rowsAfter(folder, state);
    const lost = promised.filter((id) => !found.has(id));
    expect(lost, `seed ${cuts.seed}, cut before event ${state.event} of ${events.length}`).toEqual([]);
    looked += promised.length;
  }
  return looked;
};
