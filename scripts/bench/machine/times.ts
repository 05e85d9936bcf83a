// The measuring child of the bench `machine`: all contestants in one process, rounds interleaved.
//   node times.ts BUNDLE ROUNDS      prints one JSON object: {contestant: {op: [ms, ...]}}

import { loadLibrary, ours } from "./ours.ts";
import { makeData, opsOf } from "./scene.ts";
import { theirs } from "./theirs.ts";

export type Times = Record<string, Record<string, number[]>>;

const [bundle = "", rounds = "5", only = ""] = process.argv.slice(2);
const library = await loadLibrary(bundle);
const contestants = [ours(library, "memory"), await theirs(), ours(library, "disk")];
const times: Times = Object.fromEntries(contestants.map(({ name }) => [name, {}]));
for (const { name, per, run } of opsOf(makeData()).filter((op) => op.name.includes(only))) {
  // Once without the clock: compiled code and warm caches.
  for (const contestant of contestants) await run(contestant);
  for (let round = 0; round < Number(rounds); round += 1)
    for (const contestant of contestants) {
      const mine = times[contestant.name] ?? {};
      mine[name] = [...(mine[name] ?? []), (await run(contestant)) / per];
    }
}
console.log(JSON.stringify(times));
process.exit(0);
