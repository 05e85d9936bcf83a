// One line of a bench (issue 3): what was measured, beside what, and whether the goal is met. A goal counts as met within 10 %.
export interface BenchRow {
  readonly name: string;
  readonly value: number | null;
  readonly unit: string;
  readonly peer: string;
  readonly peerValue: number | null;
  /** value / peerValue, or the value itself where there is no peer. */
  readonly ratio: number | null;
  /** ">= 0.7", "<= 50". */
  readonly goal: string;
  readonly met: boolean;
  /** Why it is not met, or what a reader must know about the figure. */
  readonly reason?: string;
}

export interface Measured {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly peer: string;
  /** null: measured against the goal alone. */
  readonly peerValue: number | null;
  readonly goal: number;
  readonly reason?: string;
}

const TOLERANCE = 0.1;

const rowOf = (measured: Measured, sign: ">=" | "<="): BenchRow => {
  const { goal, peerValue, value } = measured;
  const ratio = peerValue === null ? value : value / peerValue;
  const met = sign === ">=" ? ratio >= goal * (1 - TOLERANCE) : ratio <= goal * (1 + TOLERANCE);
  return { ...measured, ratio, goal: `${sign} ${goal}`, met };
};

export const atLeast = (measured: Measured): BenchRow => rowOf(measured, ">=");
export const atMost = (measured: Measured): BenchRow => rowOf(measured, "<=");

/** The row of a measurement that could not be made: never met, and it says why. */
export const missing = (
  name: string,
  unit: string,
  peer: string,
  goal: string,
  reason: string,
): BenchRow => ({
  name,
  value: null,
  unit,
  peer,
  peerValue: null,
  ratio: null,
  goal,
  met: false,
  reason,
});

/** The middle value; of an even number the lower one of the two in the middle. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new RangeError("median: expected at least one value, found none");
  return middle;
};
