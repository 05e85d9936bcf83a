// Proves of a room what DESIGN 5 promises: of each stream every number is there, once, or told as lost. Streams are told apart by sender too: anybody in
// the room may write a stream's name. Pure: fed item by item, in the room's order.
import type { Loss } from "#agent/telemetry/reading.ts";
import type { ReceivedRange } from "#agent/telemetry/received.ts";

/** Numbers from `from` up to and without `until`. */
export interface Stretch {
  readonly from: number;
  readonly until: number;
}

export interface StreamReport {
  readonly device: string;
  readonly stream: string;
  readonly sender: string;
  readonly bootSeq: number;
  readonly events: number;
  /** Readings that are there, each counted once. */
  readonly readings: number;
  /** Numbers that are told as lost, by reason. */
  readonly lost: Readonly<Record<string, number>>;
  /** Numbers that are neither there nor told as lost; from 0 to the last one that was seen. */
  readonly gaps: readonly Stretch[];
  /** Numbers that came more than once, and events that brought such. */
  readonly repeatedNumbers: number;
  readonly repeatedEvents: number;
  /** Events that came after one with later numbers. */
  readonly outOfOrder: number;
}

interface StreamState {
  readonly range: ReceivedRange;
  readonly sender: string;
  /** Sorted, apart from each other. */
  covered: Stretch[];
  readonly lost: Map<string, number>;
  events: number;
  numbers: number;
  repeatedNumbers: number;
  repeatedEvents: number;
  outOfOrder: number;
}

/** Where the first stretch ends at or behind `from`: stretches come mostly in order, so it is sought from the end. */
const placeOf = (covered: readonly Stretch[], from: number): number => {
  let at = covered.length;
  while (at > 0 && (covered[at - 1]?.until ?? 0) >= from) at -= 1;
  return at;
};

/** The stretches with one more, and how many of its numbers were among them already. */
const cover = (covered: Stretch[], added: Stretch): { covered: Stretch[]; repeated: number } => {
  const first = placeOf(covered, added.from);
  let { from, until } = added;
  let repeated = 0;
  let last = first;
  for (let next = covered[last]; next !== undefined && next.from <= until; next = covered[last]) {
    repeated += Math.max(0, Math.min(next.until, added.until) - Math.max(next.from, added.from));
    from = Math.min(from, next.from);
    until = Math.max(until, next.until);
    last += 1;
  }
  covered.splice(first, last - first, { from, until });
  return { covered, repeated };
};

const gapsOf = (covered: readonly Stretch[]): Stretch[] => {
  const gaps: Stretch[] = [];
  let next = 0;
  for (const { from, until } of covered) {
    if (from > next) gaps.push({ from: next, until: from });
    next = until;
  }
  return gaps;
};

const addLosses = (state: StreamState, losses: readonly Loss[]): void => {
  for (const { count, reason } of losses) state.lost.set(reason, (state.lost.get(reason) ?? 0) + count);
};

const take = (state: StreamState, { count, lost, seq }: ReceivedRange): void => {
  const end = state.covered.at(-1)?.until ?? 0;
  const { covered, repeated } = cover(state.covered, { from: seq, until: seq + count });
  state.covered = covered;
  state.events += 1;
  state.repeatedNumbers += repeated;
  state.numbers += count - repeated;
  if (repeated > 0) state.repeatedEvents += 1;
  else addLosses(state, lost);
  if (repeated === 0 && seq < end) state.outOfOrder += 1;
};

const reportOf = (state: StreamState): StreamReport => {
  const { bootSeq, device, stream } = state.range;
  const { covered, events, numbers, outOfOrder, repeatedEvents, repeatedNumbers, sender } = state;
  const lost = [...state.lost.values()].reduce((sum, count) => sum + count, 0);
  return {
    device,
    stream,
    sender,
    bootSeq,
    events,
    readings: numbers - lost,
    lost: Object.fromEntries(state.lost),
    gaps: gapsOf(covered),
    repeatedNumbers,
    repeatedEvents,
    outOfOrder,
  };
};

export interface Audit {
  take(sender: string, range: ReceivedRange): void;
  /** Streams in the order in which they first came. */
  streams(): StreamReport[];
}

export const createAudit = (): Audit => {
  const states = new Map<string, StreamState>();
  return {
    take: (sender, range) => {
      const key = JSON.stringify([sender, range.device, range.stream]);
      const state = states.get(key) ?? {
        range,
        sender,
        covered: [],
        lost: new Map<string, number>(),
        events: 0,
        numbers: 0,
        repeatedNumbers: 0,
        repeatedEvents: 0,
        outOfOrder: 0,
      };
      states.set(key, state);
      take(state, range);
    },
    streams: () => [...states.values()].map(reportOf),
  };
};
