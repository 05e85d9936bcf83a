// What the next integer of a column is expected to be, so that only the difference is written (docs/telemetry-pack.md, "Integers"). Writer and reader
// run the same predictor over the same numbers: plain double arithmetic, which is the same on every machine (IEEE 754).
//
//   raw      nothing is expected: x - min
//   tracked  s follows x: s' = s + p + (x - s - p) * gain, expected floor(s + p + 1/2); gain 1 is the difference to the one before
//   slope    as far as the last step: 2 * x[i-1] - x[i-2] (delta of delta)

export const MODES = ["raw", "step", "half", "quarter", "eighth", "slope"] as const;
export type Mode = (typeof MODES)[number];

const GAIN: Readonly<Record<"half" | "quarter" | "eighth", number>> = {
  half: 0.5,
  quarter: 0.25,
  eighth: 0.125,
};

/** Beyond it a difference of integers, doubled for its sign, would not be exact any more. */
export const RESIDUAL_MAX: number = 2 ** 51;

export interface Predictor {
  /** The integer that is expected next. */
  next(): number;
  /** What came instead. */
  saw(value: number): void;
}

const stepping = (first: number, period: number): Predictor => {
  let last = first;
  return {
    next: () => last + period,
    saw: (value) => {
      last = value;
    },
  };
};

const sloping = (first: number, period: number): Predictor => {
  let last = first;
  let step = period;
  return {
    next: () => last + step,
    saw: (value) => {
      step = value - last;
      last = value;
    },
  };
};

const tracking = (first: number, period: number, gain: number): Predictor => {
  let state = first;
  return {
    next: () => Math.floor(state + period + 0.5),
    saw: (value) => {
      const expected = state + period;
      state = expected + (value - expected) * gain;
    },
  };
};

/** A predictor behind the first value of a column; `period` is what it grows by from one to the next. */
export const predictorOf = (mode: Exclude<Mode, "raw">, first: number, period: number): Predictor => {
  if (mode === "step") return stepping(first, period);
  return mode === "slope" ? sloping(first, period) : tracking(first, period, GAIN[mode]);
};
