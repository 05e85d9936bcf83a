// The measuring child of the crypto bench: ours (bundled, both providers) and libolm in one process, rounds interleaved.
//   node --expose-gc olm-run.ts BUNDLE ROUNDS      prints one JSON object: {"times": {subject: {op: [us, ...]}}, "attachment": ..., "heap": ...}
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { pathToFileURL } from "node:url";
import Olm from "@matrix-org/olm";
import type * as Ours from "./olm-entry.ts";
import { libolm, type Op, opsOf, ours } from "./olm-ops.ts";

export type Times = Record<string, Record<string, number[]>>;
export type Report = {
  readonly times: Times;
  /** Milliseconds for 10 MB, one for each round. */
  readonly attachment: { encrypt: number[]; decrypt: number[]; bare: number[] };
  readonly heap: Record<string, number>;
};

const ATTACHMENT_BYTES = 10_000_000;
const HEAP_SESSIONS = 1_000;
/** The noble provider is ten times slower at curves: fewer rounds say enough. */
const NOBLE_ROUNDS = 1;

const [bundle = "", rounds = "5"] = process.argv.slice(2);
// The bundle is made of olm-entry.ts.
const library = (await import(pathToFileURL(bundle).href)) as typeof Ours;
await Olm.init();

const clock = (run: () => unknown): number => {
  const start = performance.now();
  run();
  return performance.now() - start;
};

const measure = (): Times => {
  const subjects = [
    ours(library, library.nodeProvider, "ours"),
    libolm(),
    ours(library, library.nobleProvider, "noble"),
  ];
  const all = subjects.map((subject) => ({ name: subject.name, ops: opsOf(subject) }));
  const times: Times = Object.fromEntries(all.map(({ name }) => [name, {}]));
  const runOnce = (name: string, op: Op): void => {
    const mine = times[name] ?? {};
    for (const [i, us] of op.run().entries()) {
      const opName = op.names[i] ?? "";
      mine[opName] = [...(mine[opName] ?? []), us];
    }
  };
  // Once without the clock: compiled code and warm caches.
  for (const { ops } of all) for (const op of ops) op.run();
  for (let round = 0; round < Number(rounds); round += 1)
    for (let i = 0; i < (all[0]?.ops.length ?? 0); i += 1)
      for (const { name, ops } of all) {
        const op = ops[i];
        if (op !== undefined && (name !== "noble" || round < NOBLE_ROUNDS)) runOnce(name, op);
      }
  return times;
};

const attachments = (): Report["attachment"] => {
  const plain = new Uint8Array(randomBytes(ATTACHMENT_BYTES));
  const out: Report["attachment"] = { encrypt: [], decrypt: [], bare: [] };
  const bare = (): void => {
    const cipher = createCipheriv("aes-256-ctr", randomBytes(32), randomBytes(16));
    createHash("sha256").update(cipher.update(plain)).digest();
  };
  for (let round = 0; round <= Number(rounds); round += 1) {
    const { ciphertext, info } = library.encryptAttachment(library.nodeProvider, plain);
    const times = {
      bare: clock(bare),
      encrypt: clock(() => library.encryptAttachment(library.nodeProvider, plain)),
      decrypt: clock(() => library.decryptAttachment(library.nodeProvider, ciphertext, info)),
    };
    if (round === 0) continue;
    for (const key of ["bare", "encrypt", "decrypt"] as const) out[key].push(times[key]);
  }
  return out;
};

/** Bytes per object: heap and external memory, after a collection. */
const bytesEach = (make: () => unknown): number => {
  const kept: unknown[] = [make()];
  const used = (): number => {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  for (let i = 0; i < HEAP_SESSIONS; i += 1) kept.push(make());
  return (used() - before) / (kept.length - 1);
};

const heap = (): Record<string, number> => {
  const { nodeProvider, OlmAccount, MegolmInboundSession, MegolmOutboundSession } = library;
  const key = MegolmOutboundSession.create(nodeProvider).sessionKey();
  const [alice, bob] = [OlmAccount.create(nodeProvider), OlmAccount.create(nodeProvider)];
  bob.generateOneTimeKeys(1);
  const oneTime = bob.unpublishedOneTimeKeys()[0]?.key ?? "";
  return {
    "Megolm inbound session": bytesEach(() => MegolmInboundSession.fromSessionKey(nodeProvider, key)),
    "Megolm outbound session": bytesEach(() => MegolmOutboundSession.create(nodeProvider)),
    "Olm session": bytesEach(() => alice.createOutboundSession(bob.curve25519, oneTime)),
  };
};

// Heap first, before the rounds have filled it.
const memory = heap();
console.log(JSON.stringify({ times: measure(), attachment: attachments(), heap: memory } satisfies Report));
