// Which users' devices we follow, and which of them must be asked for (Client-Server API, "Tracking the device list for a user").
// Every mark has a number. A query remembers the numbers that it answers; a mark that was set while it was under way survives its answer.
import { isJsonObject, member } from "../../shape.ts";
import { addRequest, type Context, nextNumber } from "../context.ts";
import { isFinal } from "../refusals.ts";
import type { Answer, Request } from "../requests.ts";

/** `device_lists` of a sync, or an answer of /keys/changes. Lists may be null or absent: Dendrite. */
export interface DeviceLists {
  readonly changed: unknown;
  readonly left: unknown;
}

/** Follows these users from now on; those that are new are asked for. */
export function trackUsers(context: Context, userIds: Iterable<string>): void {
  for (const userId of userIds) {
    if (context.rows.get("tracked", "", userId) !== null) continue;
    context.rows.put("tracked", "", userId, { sinceMs: context.nowMs });
    markDirty(context, userId);
  }
}

export function receiveDeviceLists(context: Context, lists: DeviceLists): void {
  for (const userId of strings(lists.changed)) {
    if (context.rows.get("tracked", "", userId) !== null) markDirty(context, userId);
  }
  for (const userId of strings(lists.left)) untrack(context, userId);
}

/** What is known of the user stays, pins above all; only asking ends. We are always followed. */
function untrack(context: Context, userId: string): void {
  if (userId === context.userId || context.rows.get("tracked", "", userId) === null) return;
  context.rows.delete("tracked", "", userId);
  context.rows.delete("dirty", "", userId);
}

export function markDirty(context: Context, userId: string): void {
  context.rows.put("dirty", "", userId, { sequence: nextNumber(context, "dirty") });
}

/** After a gap between syncs: what changed between two positions. Without the first one nobody can say, and all are asked for. */
export function deviceListGap(context: Context, from: string | null, to: string): void {
  if (from === null) {
    markAllDirty(context);
    return;
  }
  const path = `/_matrix/client/v3/keys/changes?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`;
  addRequest(context, () => ({ kind: "keys-changes", method: "GET", path, body: null }), {});
}

export function answerChanges(context: Context, request: Request, answer: Answer): void {
  if (answer.ok && isJsonObject(answer.body)) {
    receiveDeviceLists(context, {
      changed: member(answer.body, "changed"),
      left: member(answer.body, "left"),
    });
    return;
  }
  if (answer.ok) context.notify({ kind: "answer-unreadable", request: request.kind });
  else if (!isFinal(answer)) return;
  // The server cannot say: ask for everybody, which is dear and right.
  markAllDirty(context);
}

function markAllDirty(context: Context): void {
  for (const { item } of context.rows.list("tracked", "")) markDirty(context, item);
}

function strings(list: unknown): readonly string[] {
  if (!Array.isArray(list)) return [];
  return list.filter((item: unknown) => typeof item === "string");
}
