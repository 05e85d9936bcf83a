// A seeded schedule for one Megolm session: messages, losses, late joiners, exports, duplicates, damage, pickles, moves
// into the other implementation; beginning at 0, where parts of the ratchet roll over, or just before the wrap.
import { type Random, randomOf } from "./random.ts";

export type MegolmAction =
  | { readonly kind: "send"; readonly count: number; readonly size: number }
  /** A new receiver, from the session key as it is now. */
  | { readonly kind: "share" }
  /** A new receiver, from an export of receiver `from`, `ahead` messages after the first it knows. */
  | { readonly kind: "export"; readonly from: number; readonly ahead: number }
  | { readonly kind: "export-before"; readonly from: number }
  | { readonly kind: "deliver"; readonly to: number; readonly pick: number }
  | { readonly kind: "tamper"; readonly to: number; readonly pick: number; readonly seed: number }
  | { readonly kind: "pickle-out"; readonly format: "libolm" | "own" }
  | { readonly kind: "pickle-in"; readonly of: number; readonly format: "libolm" | "own" }
  | { readonly kind: "move-out" }
  | { readonly kind: "move-in"; readonly of: number };

export type MegolmPlan = {
  readonly seed: number;
  /** Where the session begins, or null: a fresh session of the implementation's own making. */
  readonly start: number | null;
  readonly actions: readonly MegolmAction[];
};

export const WRAP: number = 2 ** 32;
const EDGES = [2 ** 8, 2 ** 16, 2 ** 24, 2 ** 31, WRAP] as const;
const ACTIONS_MIN = 8;
const ACTIONS_SPREAD = 26;

const any = (random: Random): number => random.int(1_000_000);

const startOf = (random: Random): number | null => {
  if (random.chance(0.5)) return null;
  if (random.chance(0.2)) return random.int(WRAP);
  return random.pick(EDGES) - 1 - random.int(8);
};

const sendOf = (random: Random): MegolmAction => ({
  kind: "send",
  count: random.chance(0.03) ? 2 + random.int(300) : 1 + random.int(3),
  size: random.chance(0.03) ? 0 : random.int(random.chance(0.05) ? 3_000 : 60),
});

const stateOf = (random: Random): MegolmAction => {
  const format = random.chance(0.5) ? "own" : "libolm";
  return random.pick<MegolmAction>([
    { kind: "pickle-out", format },
    { kind: "pickle-in", of: any(random), format },
    { kind: "move-out" },
    { kind: "move-in", of: any(random) },
  ]);
};

const actionOf = (random: Random): MegolmAction => {
  const dice = random.int(100);
  if (dice < 28) return sendOf(random);
  if (dice < 70) return { kind: "deliver", to: any(random), pick: any(random) };
  if (dice < 76) return { kind: "tamper", to: any(random), pick: any(random), seed: random.int(2 ** 32) };
  if (dice < 81) return { kind: "share" };
  if (dice < 88)
    return { kind: "export", from: any(random), ahead: random.int(random.chance(0.2) ? 70_000 : 12) };
  if (dice < 90) return { kind: "export-before", from: any(random) };
  return stateOf(random);
};

export const megolmPlan = (seed: number): MegolmPlan => {
  const random = randomOf(seed);
  const start = startOf(random);
  const count = ACTIONS_MIN + random.int(ACTIONS_SPREAD);
  const actions = Array.from({ length: count }, () => actionOf(random));
  return { seed, start, actions: [{ kind: "share" }, { kind: "send", count: 2, size: 20 }, ...actions] };
};
