// Verification messages that come in, over to-device messages or in a room: to which verification each belongs, and what it makes of it.
// Nothing is answered to `cancel` and `done`, so two programs cannot send each other errors for ever.
import { CryptoError } from "../../errors.ts";
import { isJsonObject, type JsonObject, member } from "../../shape.ts";
import type { Context } from "../context.ts";
import { queueToDevice } from "../olm/encrypt.ts";
import { addVerification, advance, findFlow, isFull } from "./flow.ts";
import { FLOW_ID_CHARS_MAX, REASON_CHARS_MAX, STEP_MS } from "./limits.ts";
import { finishQr, receiveReciprocate } from "./qr.ts";
import { methodsOf, receiveReady, receiveRequest } from "./request.ts";
import { acceptSas, isOurStartFirst, receiveAccept, receiveKey, receiveMac } from "./sas.ts";
import {
  cancelled,
  isOver,
  RECIPROCATE_METHOD,
  SAS_METHOD,
  type VerificationRow,
  type VerificationState,
} from "./state.ts";

const PREFIX = "m.key.verification.";
const UNEXPECTED = cancelled("m.unexpected_message", "The message does not belong here.");

interface Message {
  /** Without `m.key.verification.`. */
  readonly name: string;
  readonly userId: string;
  readonly roomId: string | null;
  readonly flowId: string;
  readonly content: JsonObject;
}

export function isVerificationType(type: string): boolean {
  return type.startsWith(PREFIX);
}

/** A verification message that came to this device. */
export function receiveVerification(
  context: Context,
  userId: string,
  type: string,
  content: JsonObject,
): void {
  const flowId = readFlowId(member(content, "transaction_id"));
  if (flowId === null) return;
  const message = { name: type.slice(PREFIX.length), userId, roomId: null, flowId, content };
  if (message.name === "request") {
    if (findFlow(context, message) === null) quietly(() => beginRequest(context, message, content));
    return;
  }
  receiveMessage(context, message);
}

function beginRequest(context: Context, { userId, roomId, flowId }: Message, content: JsonObject): void {
  receiveRequest(context, { userId, roomId, flowId }, content, member(content, "timestamp"));
}

/** An event of a room, decrypted: a request, or a message of a verification there. Anything else is left alone. */
export function receiveRoomVerification(context: Context, roomId: string, event: unknown): void {
  if (!isJsonObject(event)) return;
  const [type, userId, content] = ["type", "sender", "content"].map((key) => member(event, key));
  if (typeof type !== "string" || typeof userId !== "string" || !isJsonObject(content)) return;
  if (type === "m.room.message") {
    const flowId = readFlowId(member(event, "event_id"));
    const isRequest =
      member(content, "msgtype") === `${PREFIX}request` && member(content, "to") === context.userId;
    if (!isRequest || flowId === null || userId === context.userId) return;
    if (findFlow(context, { userId, roomId, flowId }) !== null) return;
    const madeAtMs = member(event, "origin_server_ts");
    quietly(() => receiveRequest(context, { userId, roomId, flowId }, content, madeAtMs));
    return;
  }
  if (!isVerificationType(type)) return;
  const relation = member(content, "m.relates_to");
  const flowId = isJsonObject(relation) ? readFlowId(member(relation, "event_id")) : null;
  if (flowId === null) return;
  if (userId === context.userId) takenElsewhere(context, { roomId, flowId, type, content });
  else receiveMessage(context, { name: type.slice(PREFIX.length), userId, roomId, flowId, content });
}

/** Another device of ours said yes to a request in a room, or no. */
function takenElsewhere(
  context: Context,
  message: {
    readonly roomId: string;
    readonly flowId: string;
    readonly type: string;
    readonly content: JsonObject;
  },
): void {
  const { roomId, flowId, type, content } = message;
  const row = context.rows
    .list("verification", "")
    .map((each) => each.row)
    .find((each) => each.roomId === roomId && each.flowId === flowId);
  if (row === undefined || row.ours || row.state.kind !== "requested") return;
  const ready = type === `${PREFIX}ready` && member(content, "from_device") !== context.deviceId;
  if (!ready && type !== `${PREFIX}cancel`) return;
  const reason = "Another device of ours answered.";
  advance(context, row, { kind: "cancelled", code: "m.accepted", reason, byUs: false });
}

function receiveMessage(context: Context, message: Message): void {
  const row = findFlow(context, message);
  if (row === null) {
    quietly(() => receiveUnknown(context, message));
    return;
  }
  if (isOver(row)) return;
  if (message.name === "cancel") {
    const code = textOf(member(message.content, "code"));
    const reason = textOf(member(message.content, "reason"));
    advance(context, row, { kind: "cancelled", code, reason, byUs: false });
    return;
  }
  try {
    if (message.name === "ready") receiveReady(context, row, message.content);
    else step(context, row, message);
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    advance(context, row, cancelled("m.invalid_message", "The message could not be read."));
  }
}

function step(context: Context, row: VerificationRow, message: Message): void {
  const next = nextState(context, row, message);
  if (next !== row.state) advance(context, row, next);
}

function nextState(context: Context, row: VerificationRow, { name, content }: Message): VerificationState {
  const { state } = row;
  switch (name) {
    case "start":
      return receiveStart(context, row, content);
    case "accept":
      if (state.kind === "sas-start" && state.ours) return receiveAccept(context, row, state, content);
      break;
    case "key":
      if (state.kind === "sas-accept") return receiveKey(context, row, state, content);
      break;
    case "mac":
      if (state.kind === "sas-compare" && state.theirMac === null) return { ...state, theirMac: content };
      if (state.kind === "sas-mac") return receiveMac(context, row, state, content);
      break;
    case "done":
      return receiveDone(context, row);
    default:
      // A message that a later specification may add.
      return state;
  }
  return UNEXPECTED;
}

function receiveStart(context: Context, row: VerificationRow, content: JsonObject): VerificationState {
  const { state } = row;
  const method = member(content, "method");
  if (state.kind === "ready") {
    if (member(content, "from_device") !== row.deviceId) return UNEXPECTED;
    if (method === SAS_METHOD) return acceptSas(context, row, content);
    if (method === RECIPROCATE_METHOD) return receiveReciprocate(context, state, content);
    return cancelled("m.unknown_method", "The method is not known here.");
  }
  // Both started the same method: one of the two counts, and both sides know which.
  if (state.kind === "sas-start" && state.ours && method === SAS_METHOD) {
    return isOurStartFirst(context, row) ? state : acceptSas(context, row, content);
  }
  return UNEXPECTED;
}

function receiveDone(context: Context, row: VerificationRow): VerificationState {
  const { state } = row;
  switch (state.kind) {
    case "finishing":
      return { kind: "done", verified: state.verified };
    case "qr-scanned":
      return { ...state, theirDone: true };
    case "qr-reciprocated": {
      const next = finishQr(context, row, state.target);
      return next.kind === "finishing" ? { kind: "done", verified: next.verified } : next;
    }
    default:
      return UNEXPECTED;
  }
}

/** A start that no request went before, as older clients and matrix-nio send it, or a message of a flow that is not known. */
function receiveUnknown(context: Context, message: Message): void {
  const { name, userId, roomId, flowId, content } = message;
  const deviceId = member(content, "from_device");
  // Without a device there is nobody to answer.
  if (roomId !== null || typeof deviceId !== "string" || (name !== "start" && name !== "ready")) return;
  const known = userId === context.userId || context.rows.get("tracked", "", userId) !== null;
  if (!known || (userId === context.userId && deviceId === context.deviceId)) return;
  if (name === "start" && member(content, "method") === SAS_METHOD && !isFull(context)) {
    addVerification(context, {
      userId,
      roomId,
      flowId,
      deviceId,
      asked: [],
      ours: false,
      bare: true,
      ourMethods: methodsOf(false),
      theirMethods: [SAS_METHOD],
      untilMs: context.nowMs + STEP_MS,
      state: { kind: "sas-start", start: content, ours: false },
    });
    return;
  }
  const cancel = { code: "m.unknown_transaction", reason: "No such verification.", transaction_id: flowId };
  queueToDevice(context, `${PREFIX}cancel`, [{ userId, deviceId, content: cancel }], {});
}

/** What cannot be read and belongs to nothing is nothing. */
function quietly(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
  }
}

function readFlowId(value: unknown): string | null {
  return typeof value === "string" && value !== "" && value.length <= FLOW_ID_CHARS_MAX ? value : null;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value.slice(0, REASON_CHARS_MAX) : "";
}
