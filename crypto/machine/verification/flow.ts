// Rows of verifications and the messages that leave for them, over to-device messages or a room.
import type { JsonObject } from "../../shape.ts";
import { addRequest, type Context, nextNumber } from "../context.ts";
import { queueToDevice } from "../olm/encrypt.ts";
import { ACTIVE_MAX, OVER_MAX, OVER_MS, STEP_MS } from "./limits.ts";
import { cancelled, isOver, type VerificationRow, type VerificationState } from "./state.ts";

const PREFIX = "m.key.verification.";

export function allVerifications({ rows }: Context): readonly VerificationRow[] {
  return rows
    .list("verification", "")
    .map(({ row }) => row)
    .sort((a, b) => Number(a.id) - Number(b.id));
}

export function activeVerifications(context: Context): readonly VerificationRow[] {
  return allVerifications(context).filter((row) => !isOver(row));
}

export function isFull(context: Context): boolean {
  return activeVerifications(context).length >= ACTIVE_MAX;
}

/** The one that a message belongs to, over or not. */
export function findFlow(
  context: Context,
  flow: { readonly userId: string; readonly roomId: string | null; readonly flowId: string },
): VerificationRow | null {
  if (flow.flowId === "") return null;
  const found = allVerifications(context).find(
    (row) => row.flowId === flow.flowId && row.roomId === flow.roomId && row.userId === flow.userId,
  );
  return found ?? null;
}

export function addVerification(
  context: Context,
  row: Omit<VerificationRow, "id" | "createdAtMs">,
): VerificationRow {
  const id = String(nextNumber(context, "verification"));
  const made = { ...row, id, createdAtMs: context.nowMs };
  putVerification(context, made);
  return made;
}

export function putVerification({ rows }: Context, row: VerificationRow): void {
  rows.put("verification", "", row.id, row);
}

/** Keeps what a step came to; where that is a cancellation of ours, the other side is told. */
export function advance(context: Context, row: VerificationRow, state: VerificationState): VerificationRow {
  const next = { ...row, state, untilMs: context.nowMs + STEP_MS };
  putVerification(context, next);
  if (state.kind === "cancelled" && state.byUs) {
    say(context, row, "cancel", { code: state.code, reason: state.reason });
  }
  return next;
}

/** A verification message with its flow in it; what was sent. Nothing leaves where the other side has no name for the flow yet. */
export function say(context: Context, row: VerificationRow, type: string, content: JsonObject): JsonObject {
  const full = { ...content, ...flowMember(row) };
  if (row.roomId !== null) {
    if (row.flowId !== "") sayInRoom(context, row.roomId, PREFIX + type, full, {});
    return full;
  }
  sayToDevices(context, row, row.deviceId === null ? row.asked : [row.deviceId], PREFIX + type, full);
  return full;
}

export function sayToDevices(
  context: Context,
  { userId }: VerificationRow,
  deviceIds: readonly string[],
  type: string,
  content: JsonObject,
): void {
  const messages = deviceIds.map((deviceId) => ({ userId, deviceId, content }));
  queueToDevice(context, type, messages, {});
}

/** An event for a room. Whoever sends it encrypts it, where the room is encrypted. */
export function sayInRoom(
  context: Context,
  roomId: string,
  type: string,
  body: JsonObject,
  detail: JsonObject,
): void {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/${encodeURIComponent(type)}/`;
  addRequest(
    context,
    (id) => ({ kind: "room-event", method: "PUT", path: path + id, body, room: { roomId, type } }),
    detail,
  );
}

/** How a message names its flow. */
function flowMember({ roomId, flowId }: VerificationRow): JsonObject {
  return roomId === null
    ? { transaction_id: flowId }
    : { "m.relates_to": { rel_type: "m.reference", event_id: flowId } };
}

/** Ends those that took too long, and forgets those that have been over for a while. */
export function expireVerifications(context: Context): void {
  const { nowMs } = context;
  for (const row of activeVerifications(context)) {
    // A clock that was put back: nothing lasts longer than a step from now.
    if (nowMs < row.untilMs && row.untilMs - nowMs <= STEP_MS) continue;
    if (row.state.kind === "finishing") advance(context, row, { kind: "done", verified: row.state.verified });
    else advance(context, row, cancelled("m.timeout", "The verification timed out."));
  }
  const over = allVerifications(context).filter(isOver);
  const shown = over.filter(({ untilMs }) => Math.abs(nowMs - untilMs + STEP_MS) < OVER_MS).slice(-OVER_MAX);
  for (const row of over) if (!shown.includes(row)) context.rows.delete("verification", "", row.id);
}
