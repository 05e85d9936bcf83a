// Proves of a room what DESIGN 5 promises: of each stream every number is there, once, or told as lost, with a date. Where a stream ended is told by the
// one that followed it, so that nothing can be missing at its end unseen; of the newest one the end is open. Streams are told apart by sender too: anybody
// in the room may write a stream's name. Pure: fed item by item, in the room's order.
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
  /** Null: nothing of this stream is there but that another one followed it. */
  readonly bootSeq: number | null;
  readonly events: number;
  /** Readings that are there, each counted once. */
  readonly readings: number;
  /** Numbers that are told as lost, by reason. */
  readonly lost: Readonly<Record<string, number>>;
  /** When these readings were taken or refused, by reason: from the first to the last of them, ms since the epoch. */
  readonly lostWhen: Readonly<Record<string, { readonly fromMs: number; readonly untilMs: number }>>;
  /** The same numbers by channel, as far as it was told. */
  readonly lostChannels: Readonly<Record<string, number>>;
  /** Those of the lost numbers that were told without a date, or without a reason that is known: such a loss explains nothing. */
  readonly unexplained: number;
  /** Numbers that are neither there nor told as lost; from 0 to `end`, or to the last one that was seen. */
  readonly gaps: readonly Stretch[];
  /** How many numbers the stream had, told by the one that followed it; null: it goes on, or nobody told. */
  readonly end: number | null;
  /** Numbers at or behind that end: two devices write one stream, or one of its copies. */
  readonly beyond: number;
  /** Numbers that came more than once, and events that brought such. */
  readonly repeatedNumbers: number;
  readonly repeatedEvents: number;
  /** Events that came after one with later numbers. */
  readonly outOfOrder: number;
}

interface StreamState {
  readonly device: string;
  readonly stream: string;
  readonly sender: string;
  bootSeq: number | null;
  /** Sorted, apart from each other. */
  covered: Stretch[];
  end: number | null;
  readonly lost: Map<string, number>;
  readonly lostWhen: Map<string, { fromMs: number; untilMs: number }>;
  readonly lostChannels: Map<string, number>;
  unexplained: number;
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

const gapsOf = (covered: readonly Stretch[], end: number | null): Stretch[] => {
  const gaps: Stretch[] = [];
  let next = 0;
  for (const { from, until } of covered) {
    if (from > next) gaps.push({ from: next, until: from });
    next = until;
  }
  if (end !== null && end > next) gaps.push({ from: next, until: end });
  return gaps;
};

const addCount = (counts: Map<string, number>, key: string, count: number): void => {
  counts.set(key, (counts.get(key) ?? 0) + count);
};

/** What the journal says where it does not know either. */
const UNKNOWN = "unknown";

const addLoss = (state: StreamState, { count, fromMs, reason, untilMs }: Loss): void => {
  addCount(state.lost, reason, count);
  if (fromMs === undefined || untilMs === undefined || reason === UNKNOWN) {
    state.unexplained += count;
    return;
  }
  const known = state.lostWhen.get(reason) ?? { fromMs, untilMs };
  state.lostWhen.set(reason, {
    fromMs: Math.min(known.fromMs, fromMs),
    untilMs: Math.max(known.untilMs, untilMs),
  });
};

const addLosses = (state: StreamState, { lost, lostChannels }: ReceivedRange): void => {
  for (const loss of lost) addLoss(state, loss);
  for (const [name, count] of lostChannels) addCount(state.lostChannels, name, count);
};

const beyondEnd = ({ covered, end }: StreamState): number =>
  end === null
    ? 0
    : covered.reduce((sum, { from, until }) => sum + Math.max(0, until - Math.max(from, end)), 0);

const take = (state: StreamState, range: ReceivedRange): void => {
  const { bootSeq, count, seq } = range;
  state.bootSeq ??= bootSeq;
  const before = state.covered.at(-1)?.until ?? 0;
  const { covered, repeated } = cover(state.covered, { from: seq, until: seq + count });
  state.covered = covered;
  state.events += 1;
  state.repeatedNumbers += repeated;
  state.numbers += count - repeated;
  if (repeated > 0) state.repeatedEvents += 1;
  else addLosses(state, range);
  if (repeated === 0 && seq < before) state.outOfOrder += 1;
};

const reportOf = (state: StreamState): StreamReport => {
  const { bootSeq, covered, device, end, events, numbers, outOfOrder, sender, stream, unexplained } = state;
  const { repeatedEvents, repeatedNumbers } = state;
  const lost = [...state.lost.values()].reduce((sum, count) => sum + count, 0);
  return {
    device,
    stream,
    sender,
    bootSeq,
    events,
    readings: numbers - lost,
    lost: Object.fromEntries(state.lost),
    lostWhen: Object.fromEntries(state.lostWhen),
    lostChannels: Object.fromEntries(state.lostChannels),
    unexplained,
    gaps: gapsOf(covered, end),
    end,
    beyond: beyondEnd(state),
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

const newState = (sender: string, device: string, stream: string): StreamState => ({
  device,
  stream,
  sender,
  bootSeq: null,
  covered: [],
  end: null,
  lost: new Map(),
  lostWhen: new Map(),
  lostChannels: new Map(),
  unexplained: 0,
  events: 0,
  numbers: 0,
  repeatedNumbers: 0,
  repeatedEvents: 0,
  outOfOrder: 0,
});

export const createAudit = (): Audit => {
  const states = new Map<string, StreamState>();
  const stateOf = (sender: string, device: string, stream: string): StreamState => {
    const key = JSON.stringify([sender, device, stream]);
    const state = states.get(key) ?? newState(sender, device, stream);
    states.set(key, state);
    return state;
  };
  return {
    take: (sender, range) => {
      const { after, device, stream } = range;
      take(stateOf(sender, device, stream), range);
      if (after === null) return;
      const before = stateOf(sender, device, after.stream);
      before.end = Math.max(before.end ?? 0, after.end);
    },
    streams: () => [...states.values()].map(reportOf),
  };
};

/** Every number once, or told as lost and when. */
export const isWhole = ({ beyond, gaps, outOfOrder, repeatedNumbers, unexplained }: StreamReport): boolean =>
  gaps.length + repeatedNumbers + outOfOrder + unexplained + beyond === 0;
