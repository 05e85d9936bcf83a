// The long fuzz run over every decoder of crypto/ and of the telemetry packs (targets in test/crypto/fuzz):
//   node scripts/fuzz.ts [--seconds 60] [--seed N] [--target NAME]
// The seconds are shared among the targets. Each target runs in a worker; one that does not come back from an input is
// ended, and the input is kept. What is found is cut down and added to the corpus, which the unit tests replay.
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { randomOf, seedOf } from "#test/crypto/differential/random.ts";
import { addToCorpus } from "#test/crypto/fuzz/corpus.ts";
import { type Bytes, finding, nextInput, type Pair, pairOf } from "#test/crypto/fuzz/harness.ts";
import { TARGETS } from "#test/crypto/fuzz/targets.ts";

const INPUT_BYTES_MAX = 1 << 20;
const HANG_MS = 20_000;
const PROGRESS_MS = 1_000;
const FINDINGS_PER_TARGET_MAX = 10;
const NOBLE_EVERY = 50;
const SHRINK_TRIES_MAX = 400;

type Job = {
  readonly target: number;
  readonly seed: number;
  readonly ms: number;
  /** The number of inputs begun, the length of the one under way, and its bytes. */
  readonly shared: SharedArrayBuffer;
};
type Found = { readonly input: Bytes; readonly why: string };

const firstLine = (why: string): string => why.split("\n")[0] ?? "";

const without = (input: Bytes, at: number, size: number): Bytes =>
  new Uint8Array(Buffer.concat([input.subarray(0, at), input.subarray(at + size)]));

/** Cuts pieces out as long as the finding stays the same. */
const shrink = (pair: Pair, { input, why }: Found): Bytes => {
  let best = input;
  let tries = 0;
  for (let size = Math.ceil(best.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.length && tries < SHRINK_TRIES_MAX; tries += 1) {
      const smaller = without(best, at, size);
      const again = finding(pair, smaller, true);
      if (again !== null && firstLine(again) === firstLine(why)) best = smaller;
      else at += size;
    }
  }
  return best;
};

const work = ({ target, seed, ms, shared }: Job): void => {
  const make = TARGETS[target];
  if (make === undefined) throw new RangeError(`no target ${target}`);
  const pair = pairOf(make);
  const random = randomOf(seed);
  const counters = new Int32Array(shared, 0, 2);
  const current = new Uint8Array(shared, 8);
  const seen = new Set<string>();
  const end = Date.now() + ms;
  for (let n = 1; Date.now() < end && seen.size < FINDINGS_PER_TARGET_MAX; n += 1) {
    const input = nextInput(pair, random);
    current.set(input.subarray(0, INPUT_BYTES_MAX));
    Atomics.store(counters, 1, Math.min(input.length, INPUT_BYTES_MAX));
    Atomics.store(counters, 0, n);
    const why = finding(pair, input, n % NOBLE_EVERY === 0);
    if (why === null || seen.has(firstLine(why))) continue;
    seen.add(firstLine(why));
    parentPort?.postMessage({ input: shrink(pair, { input, why }), why } satisfies Found);
  }
};

type Outcome = { readonly inputs: number; readonly found: readonly Found[] };

/** Runs a target in a worker and watches that it comes back from every input. */
const runTarget = (name: string, target: number, seed: number, ms: number): Promise<Outcome> => {
  const shared = new SharedArrayBuffer(8 + INPUT_BYTES_MAX);
  const counters = new Int32Array(shared, 0, 2);
  const found: Found[] = [];
  const job: Job = { target, seed, ms, shared };
  const worker = new Worker(new URL(import.meta.url), { workerData: job });
  worker.on("message", (message: Found) => {
    found.push(message);
    console.error(`\n${name}: ${firstLine(message.why)}\n  ${Buffer.from(message.input).toString("base64")}`);
  });
  return new Promise((resolve, reject) => {
    let [last, since] = [0, Date.now()];
    const watch = setInterval(() => {
      const now = Atomics.load(counters, 0);
      process.stderr.write(`\r${name}: ${now} inputs, ${found.length} findings      `);
      if (now !== last) [last, since] = [now, Date.now()];
      if (Date.now() - since < HANG_MS) return;
      const input = new Uint8Array(Buffer.from(new Uint8Array(shared, 8, Atomics.load(counters, 1))));
      found.push({ input, why: `no answer within ${HANG_MS} ms` });
      void worker.terminate();
    }, PROGRESS_MS);
    worker.on("error", reject);
    worker.on("exit", () => {
      clearInterval(watch);
      process.stderr.write("\r");
      resolve({ inputs: Atomics.load(counters, 0), found });
    });
  });
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: String(Date.now() % 2 ** 31) },
      target: { type: "string" },
    },
  });
  const names = TARGETS.map((make) => pairOf(make).name);
  const chosen = names
    .map((name, at) => ({ name, at }))
    .filter(({ name }) => (values.target ?? name) === name);
  if (chosen.length === 0)
    throw new RangeError(`no target "${values.target}"; there are: ${names.join(", ")}`);
  const seed = Number(values.seed);
  const ms = (Number(values.seconds) * 1_000) / chosen.length;
  let [inputs, findings] = [0, 0];
  for (const { name, at } of chosen) {
    const outcome = await runTarget(name, at, seedOf(seed, at), ms);
    for (const { input, why } of outcome.found) addToCorpus(name, input, why);
    console.log(
      `${name.padEnd(20)} ${String(outcome.inputs).padStart(9)} inputs, ${outcome.found.length} findings`,
    );
    inputs += outcome.inputs;
    findings += outcome.found.length;
  }
  console.log(
    `seed ${seed}: ${inputs} inputs in ${values.seconds} s over ${chosen.length} targets, ${findings} findings`,
  );
  if (findings > 0) process.exitCode = 1;
};

// The worker's data is the job that `runTarget` gave it.
if (isMainThread) await main();
else work(workerData as Job);
