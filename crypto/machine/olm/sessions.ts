// The Olm sessions with a device, found by its Curve25519 key: which one to send with, and how many are kept.
import { OlmSession } from "../../olm/session.ts";
import type { Context } from "../context.ts";
import { OLM_SESSIONS_PER_DEVICE_MAX } from "../limits.ts";
import type { Entry, OlmSessionRow } from "../store/store.ts";

/** Best first: the one that last received something (specification), a new one counting from when it was made. */
export function olmSessions({ rows }: Context, curve25519: string): readonly Entry<"olm">[] {
  return [...rows.list("olm", curve25519)].sort((a, b) => lastAlive(b.row) - lastAlive(a.row));
}

export function hasOlmSession(context: Context, curve25519: string): boolean {
  return context.rows.list("olm", curve25519).length > 0;
}

/** Keeps a session; where there are too many the one that was alive least recently goes. */
export function keepOlmSession(
  context: Context,
  curve25519: string,
  session: OlmSession,
  times: Pick<OlmSessionRow, "createdAtMs" | "receivedAtMs">,
): void {
  // Member by member: a whole row given for its times must not bring its old state back, or a message key would serve twice.
  const { createdAtMs, receivedAtMs } = times;
  const row = { state: session.exportState(), createdAtMs, receivedAtMs };
  context.rows.put("olm", curve25519, session.sessionId, row);
  const others = olmSessions(context, curve25519).filter(({ item }) => item !== session.sessionId);
  for (const { item } of others.slice(OLM_SESSIONS_PER_DEVICE_MAX - 1)) {
    context.rows.delete("olm", curve25519, item);
  }
}

export function openOlmSession({ provider }: Context, row: OlmSessionRow): OlmSession {
  return new OlmSession(provider, row.state);
}

function lastAlive({ createdAtMs, receivedAtMs }: OlmSessionRow): number {
  return Math.max(createdAtMs, receivedAtMs ?? 0);
}
