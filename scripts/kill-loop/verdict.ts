// What the room holds against what the broker acknowledged to the publisher: the judgement of a kill loop. Pure.

export interface FoundReading {
  readonly stream: string;
  readonly seq: number;
  readonly number: number;
}

export interface FoundEvent {
  readonly eventId: string;
  /** Numbers of the stream that the event says were lost. */
  readonly lost: number;
  readonly readings: readonly FoundReading[];
}

export interface Verdict {
  readonly acknowledged: number;
  readonly events: number;
  /** Readings as they lie in the room, before any duplicate is removed. */
  readonly rawReadings: number;
  /** Readings that carry a (stream, seq) which was there before: what a reader drops. */
  readonly rawDuplicates: number;
  readonly duplicateEvents: number;
  readonly streams: number;
  /** Empty: the proof holds. */
  readonly problems: readonly string[];
}

const SHOWN = 10;

const some = (numbers: readonly number[]): string =>
  `${numbers.length}: ${numbers.slice(0, SHOWN).join(", ")}${numbers.length > SHOWN ? ", ..." : ""}`;

/** First occurrences by (stream, seq), in the order of the room; a repetition that says something else is a problem of its own. */
const dropDuplicates = (readings: readonly FoundReading[], problems: string[]): FoundReading[] => {
  const first = new Map<string, FoundReading>();
  for (const reading of readings) {
    const key = `${reading.stream} ${reading.seq}`;
    const known = first.get(key);
    if (known === undefined) first.set(key, reading);
    else if (known.number !== reading.number)
      problems.push(`(${key}) is ${known.number} first and ${reading.number} later`);
  }
  return [...first.values()];
};

const byStream = (readings: readonly FoundReading[]): Map<string, FoundReading[]> =>
  Map.groupBy(readings, ({ stream }) => stream);

const checkStreams = (readings: readonly FoundReading[], problems: string[]): void => {
  for (const [stream, own] of byStream(readings)) {
    const inOrder = own.toSorted((left, right) => left.seq - right.seq);
    const jumps = own.filter(({ seq }, index) => seq <= (own[index - 1]?.seq ?? -1));
    if (jumps.length > 0)
      problems.push(`stream ${stream}: not in the order of its numbers at ${jumps.length} places`);
    const gaps = inOrder.filter(({ seq }, index) => index > 0 && seq !== (inOrder[index - 1]?.seq ?? 0) + 1);
    if (gaps.length > 0) problems.push(`stream ${stream}: gaps before ${some(gaps.map(({ seq }) => seq))}`);
    const disorder = inOrder.filter(
      ({ number }, index) => index > 0 && number <= (inOrder[index - 1]?.number ?? -1),
    );
    if (disorder.length > 0)
      problems.push(
        `stream ${stream}: values not in the order of publishing at ${some(disorder.map(({ number }) => number))}`,
      );
  }
};

/** `acknowledged`: the numbers for which the publisher got its PUBACK; `published`: how many there are at all, from 0. */
export const judge = (
  events: readonly FoundEvent[],
  acknowledged: readonly number[],
  published: number,
): Verdict => {
  const problems: string[] = [];
  const raw = events.flatMap(({ readings }) => readings);
  const readings = dropDuplicates(raw, problems);
  const seen = new Map<number, number>();
  for (const { number } of readings) seen.set(number, (seen.get(number) ?? 0) + 1);
  const missing = acknowledged.filter((number) => !seen.has(number));
  if (missing.length > 0) problems.push(`acknowledged and not in the room, ${some(missing)}`);
  const doubled = [...seen].filter(([, count]) => count > 1).map(([number]) => number);
  if (doubled.length > 0) problems.push(`in the room under two numbers of a stream, ${some(doubled)}`);
  const foreign = [...seen.keys()].filter(
    (number) => !Number.isInteger(number) || number < 0 || number >= published,
  );
  if (foreign.length > 0) problems.push(`never published, ${some(foreign)}`);
  const lost = events.reduce((sum, event) => sum + event.lost, 0);
  if (lost > 0) problems.push(`the device reports ${lost} readings lost`);
  checkStreams(readings, problems);
  return {
    acknowledged: acknowledged.length,
    events: events.length,
    rawReadings: raw.length,
    rawDuplicates: raw.length - readings.length,
    duplicateEvents: countDuplicateEvents(events),
    streams: byStream(readings).size,
    problems,
  };
};

const countDuplicateEvents = (events: readonly FoundEvent[]): number => {
  const starts = events.flatMap(({ readings }) => readings.slice(0, 1));
  return starts.length - new Set(starts.map(({ seq, stream }) => `${stream} ${seq}`)).size;
};
