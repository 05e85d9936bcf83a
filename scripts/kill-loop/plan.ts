// What one round of the kill loop does, drawn from the seed: when the agent is killed, and what the homeserver does to it meanwhile. Pure.

import type { FaultKind } from "#test/homeserver/faults.ts";
import { seeded } from "#test/support/seeded.ts";

/** A moment that an onlooker can see, and how long after it the kill comes. */
export type Moment =
  /** The process was started: the kill falls into its start, or soon after. */
  | { readonly kind: "start"; readonly afterMs: number }
  /** The broker got its `nth` acknowledgement: something was just made durable, more is on its way. */
  | { readonly kind: "puback"; readonly nth: number; readonly afterMs: number }
  /** The homeserver got its `nth` event: it is being stored, and the answer is on its way. */
  | { readonly kind: "put"; readonly nth: number; readonly afterMs: number };

export type Trouble =
  | { readonly kind: "none" }
  | { readonly kind: "answers-lost"; readonly times: number }
  | { readonly kind: "fault"; readonly fault: FaultKind; readonly times: number; readonly skip: number };

export interface Round {
  readonly moment: Moment;
  readonly trouble: Trouble;
  /** The homeserver goes off and on before the agent starts, and forgets the transaction IDs that its kind forgets. */
  readonly restart: boolean;
  /** The power goes with the process, where the disk can lose it (power.ts). */
  readonly powerCut: boolean;
}

const RESTART_SHARE = 0.2;
const POWER_CUT_SHARE = 2 / 3;

const between = (random: () => number, from: number, until: number): number =>
  from + Math.floor(random() * (until - from + 1));

const momentOf = (random: () => number): Moment => {
  const share = random();
  if (share < 0.4) return { kind: "start", afterMs: between(random, 10, 400) };
  if (share < 0.7) return { kind: "puback", nth: between(random, 1, 30), afterMs: between(random, 0, 25) };
  return { kind: "put", nth: between(random, 1, 4), afterMs: between(random, 0, 25) };
};

const faultOf = (random: () => number): FaultKind => {
  const share = random();
  if (share < 0.35) return { kind: "limited", retryAfterMs: between(random, 10, 300) };
  if (share < 0.7) return { kind: "status", status: [500, 502, 503, 504][between(random, 0, 3)] ?? 500 };
  if (share < 0.8) return { kind: "refused" };
  if (share < 0.9) return { kind: "cut" };
  return { kind: "slow", delayMs: between(random, 20, 200) };
};

const troubleOf = (random: () => number): Trouble => {
  const share = random();
  if (share < 0.4) return { kind: "none" };
  if (share < 0.7) return { kind: "answers-lost", times: between(random, 1, 3) };
  return { kind: "fault", fault: faultOf(random), times: between(random, 1, 3), skip: between(random, 0, 2) };
};

export const planRounds = (seed: number, kills: number): Round[] => {
  const random = seeded(seed);
  return Array.from({ length: kills }, () => ({
    moment: momentOf(random),
    trouble: troubleOf(random),
    restart: random() < RESTART_SHARE,
    powerCut: random() < POWER_CUT_SHARE,
  }));
};
