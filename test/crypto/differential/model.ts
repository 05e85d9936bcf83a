// What a receiver ought to decide, as naively as it can be said: which chains it knows, how far each has come, which
// keys it keeps for messages that were skipped. The limits differ between implementations (see README.md), so they are
// a parameter: a decision that two policies take differently is a listed difference, any other surprise is a failure.
import type { OlmHead } from "./wire.ts";

export type Policy = {
  readonly name: string;
  /** How many skipped keys are kept in the whole session, and in one chain; the oldest go first. */
  readonly skippedPerSession: number;
  readonly skippedPerChain: number;
  /** How many chains are kept, and whether a chain's skipped keys go with it. */
  readonly chains: number;
  readonly skippedGoWithChain: boolean;
  /** Whether an outbound Megolm session goes on, and an inbound one follows, past index 2^32 - 1. */
  readonly megolmWraps: boolean;
};

export const LIBOLM: Policy = {
  name: "libolm",
  skippedPerSession: 40,
  skippedPerChain: Number.POSITIVE_INFINITY,
  chains: 5,
  skippedGoWithChain: false,
  megolmWraps: true,
};

export const PER_CHAIN: Policy = {
  name: "ours",
  skippedPerSession: Number.POSITIVE_INFINITY,
  skippedPerChain: 40,
  chains: 5,
  skippedGoWithChain: true,
  megolmWraps: false,
};

const GAP_MAX = 2_000;

type Skipped = { readonly key: string; readonly counter: number };

export type Receiver = {
  /** Whether a genuine message with this head is accepted; the state moves on where it is. */
  receive(head: OlmHead): boolean;
  /** Whether the message's key, if it is kept at all, is a skipped one. */
  isLate(head: OlmHead): boolean;
  /** The state as text: equal texts mean equal states. */
  state(): string;
  /** Whether the skipped keys, newest first, are those of the newest chain first: what a pickle of ours can say. */
  inChainOrder(): boolean;
  /** How many skipped keys are kept. */
  kept(): number;
};

export const receiver = (policy: Policy): Receiver => {
  // Newest first, as is `skipped`.
  let chains: { key: string; next: number }[] = [];
  let skipped: Skipped[] = [];

  const trim = (): void => {
    if (policy.skippedGoWithChain)
      skipped = skipped.filter((item) => chains.some((chain) => chain.key === item.key));
    const perChain = new Map<string, number>();
    skipped = skipped.filter(({ key }) => {
      const count = (perChain.get(key) ?? 0) + 1;
      perChain.set(key, count);
      return count <= policy.skippedPerChain;
    });
    skipped = skipped.slice(0, policy.skippedPerSession);
  };

  const useSkipped = ({ ratchetKey, counter }: OlmHead): boolean => {
    const at = skipped.findIndex((item) => item.key === ratchetKey && item.counter === counter);
    if (at >= 0) skipped.splice(at, 1);
    return at >= 0;
  };

  const receive = (head: OlmHead): boolean => {
    const known = chains.find((chain) => chain.key === head.ratchetKey);
    if (known !== undefined && head.counter < known.next) return useSkipped(head);
    if (head.counter - (known?.next ?? 0) > GAP_MAX) return false;
    const chain = known ?? { key: head.ratchetKey, next: 0 };
    if (known === undefined) chains = [chain, ...chains].slice(0, policy.chains);
    for (; chain.next < head.counter; chain.next += 1)
      skipped.unshift({ key: chain.key, counter: chain.next });
    chain.next += 1;
    trim();
    return true;
  };

  const isLate = ({ ratchetKey, counter }: OlmHead): boolean =>
    chains.some((chain) => chain.key === ratchetKey && counter < chain.next);

  const state = (): string => {
    const keys = skipped.map(({ key, counter }) => `${key}:${counter}`).sort();
    return JSON.stringify([chains, keys]);
  };
  const inChainOrder = (): boolean => {
    const age = ({ key }: Skipped): number => chains.findIndex((chain) => chain.key === key);
    return skipped.every((item, i) => {
      const older = skipped[i + 1];
      if (older === undefined) return true;
      return age(item) === age(older) ? item.counter > older.counter : age(item) < age(older);
    });
  };
  return { receive, isLate, state, inChainOrder, kept: () => skipped.length };
};
