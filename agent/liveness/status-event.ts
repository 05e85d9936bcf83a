// The event `<namespace>.status`, version 1: birth, heartbeat and death of a device's sessions, in the data room. Schema: docs/schemas/status.v1.json.
//
// A session begins with a birth and ends with a death; each has a number, one higher than the one before. A reader goes by the highest session that it has
// seen, and within it death is final: so a death that a server sends late, by the will of an earlier session, never hides a newer birth.
import { asInteger, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import type { ClockState } from "#agent/telemetry/reading.ts";

export type StatusKind = "birth" | "heartbeat" | "death";

export interface SessionId {
  readonly device: string;
  readonly boot: string;
  readonly bootSeq: number;
  readonly session: number;
}

/** When it was said; a will, which the server sends, has no time of its own. */
export interface SaidAt {
  readonly atMs: number;
  readonly clock: ClockState;
}

export interface StatusDetails {
  readonly said?: SaidAt;
  /** Of a death: the agent stopped, or nothing was heard of it. */
  readonly reason?: "stopped" | "lost";
  readonly version?: string;
}

export const encodeStatus = (kind: StatusKind, id: SessionId, details: StatusDetails): JsonObject => ({
  v: 1,
  state: kind,
  device: id.device,
  boot: id.boot,
  boot_seq: id.bootSeq,
  session: id.session,
  ...(details.said === undefined ? {} : { at: Math.round(details.said.atMs), clock: details.said.clock }),
  ...(details.reason === undefined ? {} : { reason: details.reason }),
  ...(details.version === undefined ? {} : { version: details.version }),
});

export interface Status {
  readonly kind: StatusKind;
  readonly device: string;
  readonly session: number;
  readonly bootSeq: number;
  readonly reason: string | null;
}

const KINDS: readonly StatusKind[] = ["birth", "heartbeat", "death"];

/** Null: not of version 1, or broken. */
export const parseStatus = (content: JsonObject): Status | null => {
  const kind = KINDS.find((known) => known === content["state"]);
  const device = asString(field(content, "device"));
  const session = asInteger(field(content, "session"));
  const bootSeq = asInteger(field(content, "boot_seq"));
  if (content["v"] !== 1 || kind === undefined || device === null || session === null || bootSeq === null)
    return null;
  return { kind, device, session, bootSeq, reason: asString(field(content, "reason")) };
};

/** What a reader holds after `next` has arrived, in whatever order events arrive. */
export const laterStatus = (held: Status | null, next: Status): Status => {
  if (held === null || next.session > held.session) return next;
  if (next.session < held.session || held.kind === "death") return held;
  return next.kind === "birth" ? held : next;
};
