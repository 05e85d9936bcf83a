// One round of a fault loop: the scenario with one fault, to its end.
import { expect } from "vitest";
import type { FaultHandle, FaultSpec } from "#test/homeserver/faults.ts";
import type { Homeserver } from "#test/homeserver/homeserver.ts";
import type { StoreFault } from "./faulty-store.ts";
import {
  ask,
  begin,
  check,
  closeScene,
  feed,
  firstFolder,
  isComplete,
  type Life,
  openScene,
  putAway,
  remains,
  type Scene,
} from "./scene.ts";

const LIVES_MAX = 4;
const PATIENCE_MS = 20_000;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

/** Nothing but the fault went wrong. */
const checkErrors = (life: Life, faulted: boolean, context: string): void => {
  const errors = life.lines
    .filter(({ level }) => level === "error")
    .map(({ fields, message }) => `${message} ${JSON.stringify(fields)}`);
  const foreign = errors.filter((line) => !faulted || !line.includes("injected"));
  expect(foreign, context).toEqual([]);
  for (const error of life.fatal) expect(String(error), context).toContain(faulted ? "injected" : "nothing");
};

/** Lives until all is done (true), or until it cannot go on (false). */
const live = async (scene: Scene, life: Life, again: boolean, context: string): Promise<boolean> => {
  const end = performance.now() + PATIENCE_MS;
  while (!isComplete(scene, life)) {
    await feed(scene, life, again);
    ask(scene, life);
    if (life.fatal.length > 0) return false;
    if (performance.now() > end) {
      const said = life.lines.slice(-6).map(({ message }) => message);
      expect.fail(
        `${context}: not done in ${PATIENCE_MS} ms; ${scene.unacknowledged.length} readings not taken; ${said.join(" | ")}`,
      );
    }
    await pause();
  }
  return true;
};

const lives = async (
  scene: Scene,
  fault: StoreFault | null,
  nth: number,
  context: string,
): Promise<boolean> => {
  let folder = firstFolder(scene);
  let hit = false;
  for (let number = 0; number < LIVES_MAX; number += 1) {
    const life = await begin(scene, folder, number === 0 ? fault : null, nth);
    if (life === null) {
      hit = true;
      continue;
    }
    const done = await live(scene, life, number > 0, context);
    // A store that is only busy belongs to a process that lives on and stops in order; the others are dead at this moment.
    const next = fault === "busy" ? folder : remains(scene, folder);
    if (done) check(scene, life, context);
    await putAway(life);
    hit ||= life.faulty.hit();
    checkErrors(life, life.faulty.hit(), context);
    // Whatever was on its way then, the server has forgotten its transaction ID.
    if (!done) await scene.server.restart();
    // Once more after a good end: nothing comes a second time out of what was left.
    if (done && number > 0) return hit;
    if (done && !hit) return false;
    folder = next;
  }
  expect.fail(`${context}: not done in ${LIVES_MAX} lives`);
};

/** Runs the scenario with the Nth operation of the store failing. False when it passed without meeting the fault. */
export const survivesStore = async (server: Homeserver, fault: StoreFault, nth: number): Promise<boolean> => {
  const scene = await openScene(server);
  try {
    return await lives(scene, fault, nth, `${fault} ${nth}`);
  } finally {
    closeScene(scene);
  }
};

/** The same with the Nth exchange failing, once or from then on for a while; the agent lives through it in one life. */
export const survivesExchange = async (server: Homeserver, spec: FaultSpec): Promise<boolean> => {
  const scene = await openScene(server);
  const handle: FaultHandle = server.fault(spec);
  const context = `${spec.kind} ${(spec.skip ?? 0) + 1} x ${spec.times ?? 1}`;
  try {
    const life = await begin(scene, firstFolder(scene), null, 0);
    if (life === null) return expect.fail(`${context}: no start`);
    expect(await live(scene, life, false, context), context).toBe(true);
    check(scene, life, context);
    await putAway(life);
    checkErrors(life, false, context);
    return handle.hits() > 0;
  } finally {
    handle.remove();
    closeScene(scene);
  }
};
