// A seeded schedule for one Olm session: sends, bursts, deliveries in any order, losses, duplicates, damage, pickles,
// moves into the other implementation. The plan depends on the seed alone, never on what the implementations answer.
import { type Random, randomOf } from "./random.ts";

export type Side = 0 | 1;

export type OlmAction =
  | { readonly kind: "send"; readonly from: Side; readonly count: number; readonly size: number }
  // `pick` chooses among the messages in flight (modulo their number); `keep` leaves it in flight: a duplicate later.
  | { readonly kind: "deliver"; readonly to: Side; readonly pick: number; readonly keep: boolean }
  | { readonly kind: "tamper"; readonly to: Side; readonly pick: number; readonly seed: number }
  | { readonly kind: "lose"; readonly to: Side; readonly pick: number }
  | { readonly kind: "pickle"; readonly side: Side; readonly format: "libolm" | "own" }
  | { readonly kind: "move"; readonly side: Side };

export type OlmPlan = {
  readonly seed: number;
  readonly fallback: boolean;
  readonly actions: readonly OlmAction[];
};

// Around the number of skipped keys that are kept (40), and, seldom since it costs 2,000 encryptions, around the gap.
const BURSTS = [2, 3, 5, 12, 39, 40, 41, 45] as const;
const GAPS = [1_999, 2_000, 2_001] as const;
const GAP_CHANCE = 1 / 2_000;
/** Schedules that lose and reorder so much that the limits of skipped keys are met, in one chain and over several. */
const GAPPY_CHANCE = 0.05;
const GAPPY_BURST_CHANCE = 0.2;
const GAPPY_ACTIONS_SPREAD = 100;
const BURST_CHANCE = 0.06;
const ACTIONS_MIN = 6;
const ACTIONS_SPREAD = 26;

const side = (random: Random): Side => (random.chance(0.5) ? 1 : 0);

const sizeOf = (random: Random): number =>
  random.chance(0.03) ? 0 : random.int(random.chance(0.05) ? 3_000 : 60);

const burstOf = (random: Random, gappy: boolean): number => {
  if (random.chance(GAP_CHANCE)) return random.pick(GAPS);
  return random.chance(gappy ? GAPPY_BURST_CHANCE : BURST_CHANCE) ? random.pick(BURSTS) : 1;
};

const deliver = (random: Random, to: Side, gappy: boolean): OlmAction => {
  // Mostly the oldest first, as a server gives them; else any.
  const pick = random.chance(gappy ? 0.2 : 0.6) ? 0 : random.int(1_000_000);
  return { kind: "deliver", to, pick, keep: random.chance(0.1) };
};

const actionOf = (random: Random, gappy: boolean): OlmAction => {
  const dice = random.int(100);
  const who = side(random);
  if (dice < 38) return { kind: "send", from: who, count: burstOf(random, gappy), size: sizeOf(random) };
  if (dice < 82) return deliver(random, who, gappy);
  if (dice < 88) return { kind: "tamper", to: who, pick: random.int(1_000_000), seed: random.int(2 ** 32) };
  if (dice < 93) return { kind: "lose", to: who, pick: random.int(1_000_000) };
  if (dice < 97) return { kind: "pickle", side: who, format: random.chance(0.5) ? "own" : "libolm" };
  return { kind: "move", side: who };
};

export const olmPlan = (seed: number): OlmPlan => {
  const random = randomOf(seed);
  const gappy = random.chance(GAPPY_CHANCE);
  const count = ACTIONS_MIN + random.int(gappy ? GAPPY_ACTIONS_SPREAD : ACTIONS_SPREAD);
  const first: OlmAction = { kind: "send", from: 0, count: 1, size: sizeOf(random) };
  return {
    seed,
    fallback: random.chance(0.25),
    actions: [first, ...Array.from({ length: count }, () => actionOf(random, gappy))],
  };
};
