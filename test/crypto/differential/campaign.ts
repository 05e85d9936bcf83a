// A campaign: many seeded schedules, either implementation as sender and as receiver in turn, some dozens in flight at
// once so that a child's pipe is never idle. The same campaign runs shortened in the tests and whole in scripts/differential.ts.
import { megolmPlan } from "./megolm-plan.ts";
import { runMegolm } from "./megolm-run.ts";
import { olmPlan } from "./olm-plan.ts";
import { type Account, newAccount, runOlm } from "./olm-run.ts";
import { type Implementation, type Tally, tally } from "./party.ts";
import { seedOf } from "./random.ts";

export type Campaign = {
  /** The master seed; schedule `n` has the seed `seedOf(seed, n)`. */
  readonly seed: number;
  readonly first: number;
  readonly count: number;
  readonly slots: number;
  progress?(done: number, so_far: Tally): void;
};

type Pair = readonly [Implementation, Implementation];

/** Accounts of one slot: schedules in one slot run one after the other, so they never fight for one-time keys. */
const slotAccounts = (): ((who: Implementation, side: number) => Promise<Account>) => {
  const made = new Map<string, Promise<Account>>();
  return (who, side) => {
    const name = `${who.oracle.name}/${side}`;
    const account = made.get(name) ?? newAccount(who);
    made.set(name, account);
    return account;
  };
};

type AccountOf = ReturnType<typeof slotAccounts>;

const runSchedule = async (
  seed: number,
  n: number,
  pairs: readonly Pair[],
  accountOf: AccountOf,
  into: Tally,
): Promise<void> => {
  const pair = pairs[Math.floor(n / 2) % pairs.length];
  if (pair === undefined) throw new RangeError("no pair of implementations");
  if (n % 2 === 1) await runMegolm(megolmPlan(seed), pair, into);
  else await runOlm(olmPlan(seed), pair, [await accountOf(pair[0], 0), await accountOf(pair[1], 1)], into);
};

/** Even schedules are Olm, odd ones Megolm; the pairs of sender and receiver take turns. */
export const runCampaign = async (
  a: Implementation,
  b: Implementation,
  { seed, first, count, slots, progress }: Campaign,
): Promise<Tally> => {
  const pairs: readonly Pair[] = [
    [a, b],
    [b, a],
    [a, a],
    [b, b],
  ];
  const into = tally();
  let next = first;
  let done = 0;
  const slot = async (): Promise<void> => {
    const accountOf = slotAccounts();
    while (next < first + count) {
      const n = next++;
      await runSchedule(seedOf(seed, n), n, pairs, accountOf, into);
      progress?.(++done, into);
    }
  };
  await Promise.all(Array.from({ length: slots }, slot));
  return into;
};
