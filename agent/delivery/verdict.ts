// What a failed attempt means for the outbox, as one pure function: wait (all, or this room), set the event aside, or stop.
import { isAlreadyDone, retryDelayMs } from "#agent/matrix/retry.ts";
import type { MatrixError } from "#agent/matrix/types.ts";
import type { Random } from "#agent/runtime.ts";
import { ROOM_REFUSED_RETRY_MS } from "./limits.ts";

export type Verdict =
  | { readonly kind: "hold-all"; readonly delayMs: number; readonly inDoubt: boolean }
  | { readonly kind: "hold-room"; readonly delayMs: number; readonly inDoubt: boolean }
  | { readonly kind: "dead"; readonly reason: string }
  | { readonly kind: "done" } // the server has it already
  | { readonly kind: "stop" };

/** Not a member, not allowed, no such room: an operator can mend that, and other rooms go on. */
const isRoomRefusal = (error: MatrixError): boolean =>
  error.kind === "refused" && (error.status === 403 || error.status === 404);

/** @param attempt failed tries of this event so far, this one included */
export const verdictOf = (error: MatrixError, attempt: number, random: Random): Verdict => {
  if (error.kind === "aborted" || error.kind === "auth") return { kind: "stop" };
  if (isAlreadyDone(error)) return { kind: "done" };
  if (isRoomRefusal(error)) return { kind: "hold-room", delayMs: ROOM_REFUSED_RETRY_MS, inDoubt: false };
  const delayMs = retryDelayMs(error, attempt, random);
  if (delayMs === null && error.kind === "unavailable")
    return { kind: "hold-room", delayMs: ROOM_REFUSED_RETRY_MS, inDoubt: error.inDoubt };
  if (delayMs === null) return { kind: "dead", reason: error.message };
  return { kind: "hold-all", delayMs, inDoubt: error.inDoubt };
};
