// A fuzz target, and what is demanded of every input: it is taken, or refused with a CryptoError; nothing else is thrown,
// nothing changes state before it is authenticated, both providers decide alike, and it is over within the second.
import { CryptoError } from "#crypto/errors.ts";
import { createNobleProvider } from "#crypto/provider/noble.ts";
import { createNodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { type Random, randomOf } from "../differential/random.ts";
import { mutant } from "./mutate.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

export type Target = {
  readonly name: string;
  /** Valid encodings to start from. */
  readonly seeds: readonly Bytes[];
  /** How many inputs the unit tests' short run has, where one costs milliseconds. */
  readonly shortInputs?: number;
  /**
   * Feeds one input. Throws CryptoError where it is refused and `Broken` where something that must hold does not.
   * What it returns is compared between the providers.
   */
  feed(input: Bytes): string;
};

/** Makes a target over a provider; everything random in it comes from the provider, so that a corpus stays valid. */
export type MakeTarget = (provider: CryptoProvider) => Target;

export class Broken extends Error {
  override readonly name: "Broken" = "Broken";
}

/** Longer than this on a slow machine is work that the input ought not to be able to ask for. */
const INPUT_MS_MAX = 1_000;

const seededRandom = (): ((length: number) => Uint8Array) => {
  const random = randomOf(4);
  return (length) => random.bytes(length);
};

export type Pair = { readonly name: string; readonly node: Target; readonly noble: Target };

export const pairOf = (make: MakeTarget): Pair => {
  const node = make(createNodeProvider({ random: seededRandom() }));
  return { name: node.name, node, noble: make(createNobleProvider({ random: seededRandom() })) };
};

const outcome = (target: Target, input: Bytes): string => {
  try {
    return `taken: ${target.feed(input)}`;
  } catch (error) {
    if (error instanceof CryptoError) return `refused: ${error.code}`;
    throw error;
  }
};

/** What is wrong with the way `input` is treated, or null. `withNoble`: compare the providers too (slower). */
export const finding = (pair: Pair, input: Bytes, withNoble: boolean): string | null => {
  const start = performance.now();
  try {
    const node = outcome(pair.node, input);
    const took = performance.now() - start;
    if (took > INPUT_MS_MAX) return `took ${took.toFixed(0)} ms`;
    if (!withNoble) return null;
    const noble = outcome(pair.noble, input);
    return node === noble ? null : `node says "${node}", noble says "${noble}"`;
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ""}` : String(error);
  }
};

export const nextInput = (pair: Pair, random: Random): Bytes => mutant(pair.node.seeds, random);

/** Throws `Broken` unless what `feed` refuses leaves `state` as it was. */
export const unchangedIfRefused = (state: () => string, feed: () => string): string => {
  const before = state();
  try {
    return feed();
  } catch (error) {
    if (state() !== before) throw new Broken("a refused input changed the state", { cause: error });
    throw error;
  }
};

/** Throws `Broken` unless `again` is, byte for byte, what was read: one thing, one encoding. */
export const sameBytes = (input: Uint8Array, again: Uint8Array, what: string): void => {
  if (Buffer.compare(input, again) !== 0)
    throw new Broken(`${what}: read from an encoding that it would not have written`);
};
