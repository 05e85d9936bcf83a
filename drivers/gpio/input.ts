// What the edges of one input become: a reading each, or a count. Pure: stamps go in, readings and findings come out; the driver owns the timers.
//
//   edge --> [loss check] --> [debounce, where the kernel does not do it] --> reading | count
//
// Loss. Neither tool hands on the kernel's sequence numbers, so only one kind of loss can be proven: two equal edges in a row, where both kinds are
// watched. The level that gpioget read before the watch began counts as the first edge.
import type { Reading } from "../driver.ts";
import type { InputOptions } from "./options.ts";
import type { Edge } from "./parse.ts";

export interface EdgeResult {
  readonly readings: readonly Reading[];
  /** At least this many edges were lost before this one. */
  readonly lost: number;
  /** The level must last until this moment (monotonic); then `settle` is to be called. Null: nothing to wait for. */
  readonly settleAtMs: number | null;
}

export interface Input {
  readonly options: InputOptions;
  /** The level before the watch began. */
  begin(level: 0 | 1, monoMs: number): readonly Reading[];
  edge(level: 0 | 1, monoMs: number): EdgeResult;
  /** The time of a debounce has passed (or nearly: a timer may be early, then there is a new moment to wait for). */
  settle(nowMs: number): EdgeResult;
  /** For counters: the count and the rate up to now. */
  report(nowMs: number): readonly Reading[];
}

const PER_S: Readonly<Record<"s" | "min" | "h", number>> = { s: 1, min: 60, h: 3600 };

const NOTHING: EdgeResult = { readings: [], lost: 0, settleAtMs: null };

const withUnit = (unit: string | undefined): { unit?: string } => (unit === undefined ? {} : { unit });

interface Counting {
  edges: number;
  reportedEdges: number;
  reportedAtMs: number;
}

const countReadings = ({ name, count }: InputOptions, state: Counting, nowMs: number): Reading[] => {
  if (count === undefined) return [];
  const seconds = (nowMs - state.reportedAtMs) / 1000;
  const fresh = state.edges - state.reportedEdges;
  state.reportedEdges = state.edges;
  state.reportedAtMs = nowMs;
  const total: Reading = { name, value: state.edges * count.scale, ...withUnit(count.unit), monoMs: nowMs };
  if (count.rate === undefined || seconds <= 0) return [total];
  const value = ((fresh * count.scale) / seconds) * PER_S[count.rate.per];
  return [total, { name: count.rate.name, value, ...withUnit(count.rate.unit), monoMs: nowMs }];
};

const wanted = (edges: InputOptions["edges"], level: 0 | 1): boolean =>
  edges === "both" || (edges === "rising") === (level === 1);

/** Which edges must be watched: to debounce here, both are needed, whatever is wanted in the end. */
export const watchedEdges = ({ edges }: InputOptions, softDebounceMs: number): InputOptions["edges"] =>
  softDebounceMs > 0 ? "both" : edges;

/** `softDebounceMs`: 0 where the kernel debounces (or nobody). */
export const createInput = (options: InputOptions, softDebounceMs: number): Input => {
  const seesBoth = watchedEdges(options, softDebounceMs) === "both";
  let last: 0 | 1 | null = null;
  let stable: 0 | 1 | null = null;
  let pending: { readonly level: 0 | 1; readonly monoMs: number } | null = null;
  const counting: Counting = { edges: 0, reportedEdges: 0, reportedAtMs: 0 };

  const accept = (level: 0 | 1, monoMs: number): Reading[] => {
    stable = level;
    if (!wanted(options.edges, level)) return [];
    counting.edges += 1;
    return options.count === undefined ? [{ name: options.name, value: level === 1, monoMs }] : [];
  };

  return {
    options,
    begin(level, monoMs) {
      last = seesBoth ? level : null;
      stable = level;
      pending = null;
      if (counting.reportedAtMs === 0) counting.reportedAtMs = monoMs;
      return options.count === undefined ? [{ name: options.name, value: level === 1, monoMs }] : [];
    },
    edge(level, monoMs) {
      const lost = seesBoth && last === level ? 1 : 0;
      last = level;
      if (softDebounceMs === 0) return { ...NOTHING, readings: accept(level, monoMs), lost };
      pending = { level, monoMs };
      return { readings: [], lost, settleAtMs: monoMs + softDebounceMs };
    },
    settle(nowMs) {
      if (pending === null) return NOTHING;
      const { level, monoMs } = pending;
      if (nowMs < monoMs + softDebounceMs) return { ...NOTHING, settleAtMs: monoMs + softDebounceMs };
      pending = null;
      return level === stable ? NOTHING : { ...NOTHING, readings: accept(level, monoMs) };
    },
    report: (nowMs) => countReadings(options, counting, nowMs),
  };
};

/** Kernels before 5.7 stamp edges with wall time: then the time of arrival has to do. */
export const usableStamp = ({ stampMs }: Edge, nowMs: number, driftMaxMs: number): number =>
  Math.abs(stampMs - nowMs) <= driftMaxMs ? stampMs : nowMs;
