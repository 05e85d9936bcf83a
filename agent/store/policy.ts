// When the WAL is restarted: a pure function of what is known at the moment.
import { WAL_FORCED_BYTES, WAL_IDLE_BYTES, WAL_IDLE_MS, WAL_MAX_BYTES } from "./limits.ts";

export interface CheckpointPolicy {
  /** Restart at this size at the latest. */
  readonly forcedBytes: number;
  /** Restart from this size on when nothing happened for `idleMs`. */
  readonly idleBytes: number;
  readonly idleMs: number;
  /** Transactions wait from this size on, even before the worker is ready. */
  readonly maxBytes: number;
}

export const DEFAULT_POLICY: CheckpointPolicy = {
  forcedBytes: WAL_FORCED_BYTES,
  idleBytes: WAL_IDLE_BYTES,
  idleMs: WAL_IDLE_MS,
  maxBytes: WAL_MAX_BYTES,
};

export interface WalState {
  readonly walBytes: number;
  /** Since the last transaction. */
  readonly quietMs: number;
}

/** `now`: restart. `later`: look again after `afterMs` of quiet. `none`: nothing to save yet. */
export type CheckpointDecision =
  | { readonly kind: "now" }
  | { readonly kind: "later"; readonly afterMs: number }
  | { readonly kind: "none" };

export const decideCheckpoint = (policy: CheckpointPolicy, state: WalState): CheckpointDecision => {
  if (state.walBytes >= policy.forcedBytes) return { kind: "now" };
  if (state.walBytes < policy.idleBytes) return { kind: "none" };
  const afterMs = policy.idleMs - state.quietMs;
  return afterMs <= 0 ? { kind: "now" } : { kind: "later", afterMs };
};
