// The child that one contestant's memory is measured in: after one op and a collection, what the process holds.
//   node --expose-gc memory.ts BUNDLE ours|disk|theirs OP      prints one JSON object
import { memoryUsage } from "node:process";
import { EMPTY } from "./contestant.ts";
import type { Population } from "./data.ts";
import { loadLibrary, ours } from "./ours.ts";
import { makeData } from "./scene.ts";
import { theirs } from "./theirs.ts";

export interface Held {
  /** MB more than before the machine began: JavaScript's heap and what it holds outside, WebAssembly's memory included. */
  readonly heap: number;
  /** MB, of the whole process, and how many more than before. */
  readonly rss: number;
  readonly rssAdded: number;
}

const MB = 1e6;
const [bundle = "", who = "ours", asked = "idle"] = process.argv.slice(2);
// machine.ts names one of these.
const op = asked as "query" | "share" | "import" | "idle";

const used = async (): Promise<{ heap: number; rss: number }> => {
  for (let i = 0; i < 3; i += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { external, heapUsed, rss } = memoryUsage();
  return { heap: heapUsed + external, rss };
};

const data = makeData(op);
const before = await used();
const contestant =
  who === "theirs" ? await theirs() : ours(await loadLibrary(bundle), who === "disk" ? "disk" : "memory");
const machine = await contestant.begin();
const meet = async (population: Population): Promise<void> => {
  await machine.query(population);
  await machine.claim(population);
  await machine.share("!bench:example.org", population);
};
if (op === "query") await machine.query(data.many);
if (op === "share") await meet(data.thousand);
if (op === "import") await machine.importKeys(data.roomKeys);
if (op === "idle") await machine.query(EMPTY);
const after = await used();
console.log(
  JSON.stringify({
    heap: (after.heap - before.heap) / MB,
    rss: after.rss / MB,
    rssAdded: (after.rss - before.rss) / MB,
  } satisfies Held),
);
process.exit(0);
