// What both kinds of schedules share: an implementation under test with its policy, the expectations, the tally.
import type { Answer, Fields, ObjectKind, Op, Oracle, Result } from "#test/peers/olm/protocol.ts";
import { LIBOLM, PER_CHAIN, type Policy } from "./model.ts";

export type Implementation = {
  readonly oracle: Oracle;
  readonly policy: Policy;
  /** What `hello` named: which pickles it writes and reads. */
  readonly caps: ReadonlySet<string>;
  /** Things a known fault of the pinned version forbids, so that the rest can be compared (see README.md). */
  readonly faults: ReadonlySet<Fault>;
};

// goolm 0.26: advances before the MAC is checked; looks skipped keys up by index alone; keeps them without a bound;
// refuses an empty plaintext. vodozemac 0.10: checks a Megolm message as it would have encoded it, so it takes a message
// whose index was given a bit beyond the 32nd on its way; reads the skipped keys of a libolm pickle, newest first, as if
// they stood oldest first, and drops the newest when there are too many.
export type Fault = "tamper" | "skipped-by-index" | "empty" | "encodes-anew" | "imports-reversed";

const POLICIES: Record<string, Policy> = {
  libolm: LIBOLM,
  ours: PER_CHAIN,
  vodozemac: PER_CHAIN,
  goolm: LIBOLM,
};
const FAULTS: Record<string, readonly Fault[]> = {
  goolm: ["tamper", "skipped-by-index", "empty"],
  vodozemac: ["encodes-anew", "imports-reversed"],
};

export class Surprise extends Error {}

export const accepted = (answer: Answer, what: string): Readonly<Result> => {
  if (!answer.ok)
    throw new Surprise(`${what}: expected to be accepted, was refused with ${answer.err} (${answer.msg})`);
  return answer;
};

export const refused = (answer: Answer, what: string): void => {
  if (answer.ok) throw new Surprise(`${what}: expected to be refused, was accepted`);
};

export const same = (found: unknown, expected: unknown, what: string): void => {
  if (found !== expected) throw new Surprise(`${what}: expected ${String(expected)}, got ${String(found)}`);
};

/** A call that has to work. */
export const ask = async (who: Implementation, op: Op, fields: Fields): Promise<Readonly<Result>> =>
  accepted(await who.oracle.call(op, fields), `${who.oracle.name} ${op}`);

export const implementation = async (oracle: Oracle): Promise<Implementation> => {
  const { name = "", caps = [] } = accepted(await oracle.call("hello", {}), "hello");
  const policy = POLICIES[name];
  if (policy === undefined) throw new RangeError(`no policy is written down for "${name}"`);
  return { oracle, policy, caps: new Set(caps), faults: new Set(FAULTS[name] ?? []) };
};

export const canMove = (from: Implementation, to: Implementation, kind: ObjectKind): boolean =>
  from.caps.has(`pickle:${kind}`) && to.caps.has(`unpickle:${kind}`);

export const PICKLE_KEY = "a key for pickles";

/** Carries an object through a libolm pickle (or, within one implementation, its own), from one into the other. */
export const carry = async (
  from: Implementation,
  to: Implementation,
  kind: ObjectKind,
  h: string,
  format: "libolm" | "own" = "libolm",
): Promise<string> => {
  const { pickle = "" } = await ask(from, "pickle", { h, key: PICKLE_KEY, format });
  const { h: moved = "" } = await ask(to, "unpickle", { kind, pickle, key: PICKLE_KEY, format });
  await ask(from, "free", { h });
  return moved;
};

/** The format in which `who` can carry `kind` to itself: the wished one where it can, else the other, else none. */
export const formatFor = (
  who: Implementation,
  kind: ObjectKind,
  wish: "libolm" | "own",
): "libolm" | "own" | null => {
  const can = {
    own: who.caps.has("own_pickle"),
    libolm: who.caps.has(`pickle:${kind}`) && who.caps.has(`unpickle:${kind}`),
  };
  if (can[wish]) return wish;
  const other = wish === "own" ? "libolm" : "own";
  return can[other] ? other : null;
};

export type Tally = {
  runs: number;
  deliveries: number;
  refusals: number;
  moves: number;
  /** Decisions that the implementations take differently, by the rule of README.md that decides them. */
  readonly decided: Map<string, number>;
};

export const tally = (): Tally => ({ runs: 0, deliveries: 0, refusals: 0, moves: 0, decided: new Map() });

export const count = (into: Tally, rule: string): void => {
  into.decided.set(rule, (into.decided.get(rule) ?? 0) + 1);
};

/** Text of about `size` bytes that says which message it is. */
export const plaintext = (seed: number, n: number, size: number): string =>
  size === 0 ? "" : `${seed}/${n} ${"petrel ✓ ".repeat(Math.ceil(size / 9))}`.slice(0, size + 8);
