// What a failed try means for an event of the outbox, as pure functions: wait (all, or its room), set it aside, or stop.
//
// Only what is about the event itself may set it aside: a login page of some network, a proxy's redirect or a locked account would otherwise bury
// a whole backlog, one event after the other.
import { RETRY_MAX_MS } from "#agent/matrix/limits.ts";
import { isAlreadyDone, retryDelayMs } from "#agent/matrix/retry.ts";
import type { MatrixError } from "#agent/matrix/types.ts";
import type { Random } from "#agent/runtime.ts";
import { ROOM_REFUSED_RETRY_MS } from "./limits.ts";

export interface Hold {
  readonly kind: "hold";
  /** Everything waits, or this room only. */
  readonly what: "all" | "room";
  readonly delayMs: number;
  /** The event may be in the room all the same: it is looked for before the next try. */
  readonly inDoubt: boolean;
}

export type Verdict =
  | Hold
  | { readonly kind: "dead"; readonly reason: string }
  | { readonly kind: "done" } // the server has it already
  | { readonly kind: "stop" };

const isRedirect = ({ status }: MatrixError): boolean => status !== null && status >= 300 && status < 400;

/** The homeserver was not reached: nobody answered, or something else did. */
export const isUnreachable = (error: MatrixError): boolean =>
  error.kind === "network" || (error.kind === "unavailable" && error.errcode === null) || isRedirect(error);

/** Not a member, not allowed, no such room: an operator can mend that, and other rooms go on. */
const isRoomRefusal = ({ kind, status }: MatrixError): boolean =>
  kind === "refused" && (status === 403 || status === 404);

/** Too large, or not what an event may hold. */
const isAboutTheEvent = ({ kind, status }: MatrixError): boolean =>
  kind === "local" || (kind === "refused" && (status === 400 || status === 413));

/** The server's own error, not a proxy's: it concerns what was asked for (Dendrite after leaving a room: 500), and other rooms may fare better. */
const isServersOwn = ({ errcode, kind }: MatrixError): boolean => kind === "unavailable" && errcode !== null;

const hold = (error: MatrixError, attempt: number, random: Random, inDoubt: boolean): Hold => {
  const delayMs = retryDelayMs(error, attempt, random);
  return isServersOwn(error)
    ? { kind: "hold", what: "room", delayMs: delayMs ?? ROOM_REFUSED_RETRY_MS, inDoubt }
    : { kind: "hold", what: "all", delayMs: delayMs ?? RETRY_MAX_MS, inDoubt };
};

/**
 * A PUT failed.
 * @param attempt failures in a row so far, this one included: of this room where the server answered, else of all
 */
export const verdictOf = (error: MatrixError, attempt: number, random: Random): Verdict => {
  if (error.kind === "aborted" || error.kind === "auth") return { kind: "stop" };
  if (isAlreadyDone(error)) return { kind: "done" };
  if (isRoomRefusal(error))
    return { kind: "hold", what: "room", delayMs: ROOM_REFUSED_RETRY_MS, inDoubt: false };
  if (isAboutTheEvent(error)) return { kind: "dead", reason: error.message };
  return hold(error, attempt, random, error.inDoubt);
};

/** The look for an attempt in doubt failed. That says nothing about the attempt: it stays in doubt, whatever the answer was. */
export const searchVerdictOf = (error: MatrixError, attempt: number, random: Random): Verdict => {
  if (error.kind === "aborted" || error.kind === "auth") return { kind: "stop" };
  if (error.kind === "refused" && !isRedirect(error))
    return { kind: "hold", what: "room", delayMs: ROOM_REFUSED_RETRY_MS, inDoubt: true };
  return hold(error, attempt, random, true);
};
