// Who may do what, now: one pure function over facts (DESIGN 7). Every refusal has words for the sender; nothing is refused in silence.
import type { Provenance } from "#agent/matrix/types.ts";
import type { ClockState } from "#agent/telemetry/reading.ts";
import { FUTURE_MS_MAX } from "./limits.ts";

export interface Facts {
  readonly nowMs: number;
  /** `origin_server_ts`: on some servers any user can choose it, so it can only make a command older, never better. */
  readonly sentMs: number;
  readonly validForMs: number;
  readonly provenance: Provenance;
  readonly clock: ClockState;
  /** A command that only tells: it changes nothing. */
  readonly harmless: boolean;
  readonly senderLevel: number;
  readonly neededLevel: number;
}

export type Decision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly why: "level" | "stale" | "clock"; readonly reason: string };

const refused = (why: "level" | "stale" | "clock", reason: string): Decision => ({
  allowed: false,
  why,
  reason,
});

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

export const authorise = (facts: Facts): Decision => {
  const { clock, harmless, neededLevel, nowMs, provenance, senderLevel, sentMs, validForMs } = facts;
  if (senderLevel < neededLevel)
    return refused("level", `power level ${neededLevel} is needed in this room, yours is ${senderLevel}`);
  if (clock === "unset") {
    if (harmless && provenance === "live") return { allowed: true };
    return refused(
      "clock",
      "this device does not know the time yet, so the age of a command cannot be told; send it again in a while",
    );
  }
  if (nowMs - sentMs > validForMs)
    return refused(
      "stale",
      `it is ${seconds(nowMs - sentMs)} old, more than the ${seconds(validForMs)} for which a command stays valid; send it again if it is still wanted`,
    );
  if (sentMs - nowMs > FUTURE_MS_MAX)
    return refused("stale", `it is stamped ${seconds(sentMs - nowMs)} in the future by this device's clock`);
  return { allowed: true };
};
