// Who may do what, now: one pure function over facts (DESIGN 7). Every refusal has words for the sender; nothing is refused in silence.
import type { Provenance } from "#agent/matrix/types.ts";
import type { ClockState } from "#agent/telemetry/reading.ts";
import { FUTURE_MS_MAX } from "./limits.ts";

/**
 * How it came: `open` in a room without encryption, `clear` in clear into one with it, else by what is known of the device that encrypted it.
 */
export type Channel = "open" | "clear" | "unknown" | "unsigned" | "changed" | "signed";

export interface Facts {
  readonly channel: Channel;
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

type Why = "level" | "stale" | "clock" | "channel";

export type Decision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly why: Why; readonly reason: string };

const refused = (why: Why, reason: string): Decision => ({
  allowed: false,
  why,
  reason,
});

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

/** Clients send in clear into an encrypted room only by mistake, servers when they want to command. */
const CHANNEL_REFUSALS: Readonly<Record<Channel, string | null>> = {
  open: null,
  signed: null,
  clear: "it was not encrypted, and this room is: anybody on the way could have written it",
  unknown: "nothing is known of the device that encrypted it",
  unsigned:
    "the device that encrypted it is not cross-signed by its owner; verify it in your client (Settings, Sessions) and send it again",
  changed:
    "the identity that signs its device is not the one this agent knows of its sender; if the keys were reset, run `petrel verify` or `petrel trust` on the device",
};

export const authorise = (facts: Facts): Decision => {
  const { clock, harmless, neededLevel, nowMs, provenance, senderLevel, sentMs, validForMs } = facts;
  const channel = CHANNEL_REFUSALS[facts.channel];
  if (channel !== null) return refused("channel", channel);
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
