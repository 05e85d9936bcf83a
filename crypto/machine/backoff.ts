// Servers and devices that do not answer are asked less and less often, so that one of them does not hold up the others.
import type { Context } from "./context.ts";
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS } from "./limits.ts";

/** `query-user` and `claim-refused`: they were in a request that was refused for good. */
export type BackoffKind =
  | "query-server"
  | "query-user"
  | "claim-server"
  | "claim-device"
  | "claim-refused"
  | "backup";

export function isBackedOff({ rows, nowMs }: Context, kind: BackoffKind, name: string): boolean {
  const row = rows.get("backoff", kind, name);
  // A clock that was put back must not lengthen a wait.
  return row !== null && nowMs < row.untilMs && row.untilMs - nowMs <= BACKOFF_MAX_MS;
}

export function backOff({ rows, nowMs }: Context, kind: BackoffKind, name: string): void {
  const failures = (rows.get("backoff", kind, name)?.failures ?? 0) + 1;
  const waitMs = Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 1), BACKOFF_MAX_MS);
  rows.put("backoff", kind, name, { failures, untilMs: nowMs + waitMs });
}

export function clearBackoff({ rows }: Context, kind: BackoffKind, name: string): void {
  if (rows.get("backoff", kind, name) !== null) rows.delete("backoff", kind, name);
}

/** The server of a user ID; for anything else the whole text, which then is a server that does not exist. */
export function serverOf(userId: string): string {
  return userId.slice(userId.indexOf(":") + 1);
}
