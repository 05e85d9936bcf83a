// What one alarm is in, and what brings it further. Pure: a state and what happened give the next state and what is to be told.
//
//   idle --crossed--> pending --held for `for`, and `every` after the last one--> raised --clear--> idle
//                        \--no longer crossed--> idle (counted as suppressed if only `every` held it back)
import type { ClockState } from "#agent/telemetry/reading.ts";
import type { AlarmRule, Judgement } from "./rule.ts";

/** The reading that an alarm speaks of. Without a number in its stream it was never journalled (the journal refused it). */
export interface Sample {
  /** Null: none was seen yet, or it was bytes. */
  readonly value: number | string | boolean | null;
  readonly unit: string | null;
  readonly timeMs: number;
  readonly monoMs: number;
  readonly clock: ClockState;
  readonly stream: string | null;
  readonly seq: number | null;
}

/** Monotonic time means something only together with its boot. */
export interface Moment {
  readonly boot: string;
  readonly monoMs: number;
}

export interface Acknowledged {
  readonly by: string;
  readonly atMs: number;
}

interface Past {
  /** When it was raised last. */
  readonly raisedAt: Moment | null;
  /** How often since then it was crossed and not told. */
  readonly suppressed: number;
}

export interface Idle extends Past {
  readonly state: "idle";
}

export interface Pending extends Past {
  readonly state: "pending";
  /** Wall time of the first crossing. */
  readonly sinceMs: number;
  readonly crossedAt: Moment;
  readonly sample: Sample;
}

export interface Raised extends Past {
  readonly state: "raised";
  readonly id: string;
  readonly sinceMs: number;
  readonly sample: Sample;
  readonly acknowledged: Acknowledged | null;
}

export type AlarmState = Idle | Pending | Raised;

export const NEVER: Idle = { state: "idle", raisedAt: null, suppressed: 0 };

export type News =
  | { readonly kind: "raised"; readonly raised: Raised }
  | { readonly kind: "cleared"; readonly raised: Raised; readonly sample: Sample };

export interface Step {
  readonly state: AlarmState;
  readonly news: News | null;
}

/** The monotonic time from which a pending alarm is raised, in the boot of its crossing. */
export const dueAt = ({ crossedAt, raisedAt }: Pending, { everyMs, forMs }: AlarmRule): number => {
  const held = crossedAt.monoMs + forMs;
  return raisedAt?.boot === crossedAt.boot ? Math.max(held, raisedAt.monoMs + everyMs) : held;
};

/** Raises a pending alarm whose time has come; otherwise it goes on waiting. */
export const raiseIfDue = (
  pending: Pending,
  rule: AlarmRule,
  sample: Sample,
  monoMs: number,
  newId: () => string,
): Step => {
  if (monoMs < dueAt(pending, rule)) return { state: pending, news: null };
  const raised: Raised = {
    state: "raised",
    id: newId(),
    sinceMs: pending.sinceMs,
    sample,
    acknowledged: null,
    suppressed: pending.suppressed,
    raisedAt: { boot: pending.crossedAt.boot, monoMs },
  };
  return { state: raised, news: { kind: "raised", raised } };
};

const withdrawn = (pending: Pending, { forMs }: AlarmRule, monoMs: number): Idle => ({
  state: "idle",
  raisedAt: pending.raisedAt,
  suppressed: pending.suppressed + (monoMs - pending.crossedAt.monoMs >= forMs ? 1 : 0),
});

/** A crossing now; `sinceMs` is its wall time, or for an absence the time of the last reading. */
export const cross = (
  past: Idle,
  rule: AlarmRule,
  sample: Sample,
  at: Moment,
  sinceMs: number,
  newId: () => string,
): Step =>
  raiseIfDue({ ...past, state: "pending", sinceMs, crossedAt: at, sample }, rule, sample, at.monoMs, newId);

/** A reading came. */
export const onReading = (
  state: AlarmState,
  rule: AlarmRule,
  judgement: Judgement,
  sample: Sample,
  boot: string,
  newId: () => string,
): Step => {
  if (judgement === "incomparable") return { state, news: null };
  const at = { boot, monoMs: sample.monoMs };
  switch (state.state) {
    case "idle":
      return judgement === "crossed"
        ? cross(state, rule, sample, at, sample.timeMs, newId)
        : { state, news: null };
    case "pending":
      return judgement === "crossed"
        ? raiseIfDue(state, rule, sample, sample.monoMs, newId)
        : { state: withdrawn(state, rule, sample.monoMs), news: null };
    case "raised":
      if (judgement !== "clear") return { state, news: null };
      return {
        state: { state: "idle", raisedAt: state.raisedAt, suppressed: 0 },
        news: { kind: "cleared", raised: state, sample },
      };
  }
};

/** The machine was started anew: monotonic times of another boot mean nothing, so what was pending holds from now on again, if nothing tells otherwise. */
export const afterBoot = (state: AlarmState, now: Moment): AlarmState =>
  state.state === "pending" && state.crossedAt.boot !== now.boot ? { ...state, crossedAt: now } : state;
