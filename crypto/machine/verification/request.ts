// Asking for a verification and being asked (Client-Server API, "m.key.verification.request", "m.key.verification.ready").
import { encodeBase64 } from "../../base64.ts";
import { type JsonObject, member, stringMember } from "../../shape.ts";
import type { Context } from "../context.ts";
import { trackUsers } from "../devices/tracking.ts";
import { MachineError } from "../errors.ts";
import { addVerification, advance, isFull, putVerification, say, sayInRoom, sayToDevices } from "./flow.ts";
import { METHODS_MAX, REQUEST_AHEAD_MS, REQUEST_MS, STEP_MS } from "./limits.ts";
import {
  cancelled,
  RECIPROCATE_METHOD,
  SAS_METHOD,
  SCAN_METHOD,
  SHOW_METHOD,
  type VerificationRow,
  type VerificationState,
} from "./state.ts";

const TRANSACTION_BYTES = 16;
const REQUEST_TYPE = "m.key.verification.request";

export interface VerificationOptions {
  /** One device; every device of the user where it is left out. Not for rooms. */
  readonly deviceId?: string;
  /** In this room, which both are members of, instead of over to-device messages. */
  readonly roomId?: string;
  /** We can scan their code: `scanVerificationQr` will be given its bytes. */
  readonly scan?: boolean;
}

export function methodsOf(scan: boolean): readonly string[] {
  return [SAS_METHOD, SHOW_METHOD, RECIPROCATE_METHOD, ...(scan ? [SCAN_METHOD] : [])];
}

/** @throws MachineError UNKNOWN_USER where no device of theirs is known, TOO_MANY_VERIFICATIONS */
export function requestVerification(
  context: Context,
  userId: string,
  options: VerificationOptions,
): VerificationRow {
  if (isFull(context)) throw tooMany();
  const ourMethods = methodsOf(options.scan ?? false);
  const common = {
    userId,
    deviceId: options.deviceId ?? null,
    ours: true,
    ourMethods,
    theirMethods: [],
    untilMs: context.nowMs + Math.min(REQUEST_MS, STEP_MS),
    state: { kind: "requested" } as const,
  };
  if (options.roomId !== undefined) return requestInRoom(context, options.roomId, common);
  const asked = devicesToAsk(context, userId, options.deviceId);
  const flowId = encodeBase64(context.provider.random(TRANSACTION_BYTES));
  const row = addVerification(context, { ...common, asked, roomId: null, flowId });
  say(context, row, "request", {
    from_device: context.deviceId,
    methods: [...ourMethods],
    timestamp: context.nowMs,
  });
  return row;
}

function requestInRoom(
  context: Context,
  roomId: string,
  common: Omit<VerificationRow, "id" | "createdAtMs" | "asked" | "roomId" | "flowId">,
): VerificationRow {
  const row = addVerification(context, { ...common, deviceId: null, asked: [], roomId, flowId: "" });
  const body = {
    msgtype: REQUEST_TYPE,
    body: `${context.userId} asks to verify your keys. Your client does not support this kind of verification.`,
    from_device: context.deviceId,
    methods: [...common.ourMethods],
    to: common.userId,
  };
  sayInRoom(context, roomId, "m.room.message", body, { verification: row.id });
  return row;
}

/** The server has our request in the room: its event ID is the flow's name. */
export function requestSent(context: Context, id: unknown, body: JsonObject): void {
  const row = typeof id === "string" ? context.rows.get("verification", "", id) : null;
  const flowId = member(body, "event_id");
  if (row === null || row.flowId !== "" || typeof flowId !== "string") return;
  putVerification(context, { ...row, flowId });
}

function devicesToAsk(context: Context, userId: string, deviceId: string | undefined): readonly string[] {
  const all = context.rows
    .list("device", userId)
    .filter(({ row }) => row.present && !row.dehydrated)
    .map(({ item }) => item)
    .filter((item) => userId !== context.userId || item !== context.deviceId);
  const asked = deviceId === undefined ? all : all.filter((item) => item === deviceId);
  if (asked.length > 0) return asked;
  throw new MachineError(
    deviceId === undefined ? "UNKNOWN_USER" : "UNKNOWN_DEVICE",
    `encryption machine: no device ${deviceId ?? ""} of ${userId} is known that could be asked; track the user and answer its query first`,
  );
}

function tooMany(): MachineError {
  return new MachineError(
    "TOO_MANY_VERIFICATIONS",
    "encryption machine: too many verifications are under way; cancel some first",
  );
}

/** Somebody asks. Old requests, those of strangers and one too many are dropped: nobody waits for an answer to them. @throws CryptoError FORMAT */
export function receiveRequest(
  context: Context,
  from: { readonly userId: string; readonly roomId: string | null; readonly flowId: string },
  content: JsonObject,
  madeAtMs: unknown,
): void {
  const deviceId = stringMember(content, "from_device", REQUEST_TYPE);
  if (from.userId === context.userId && deviceId === context.deviceId) return;
  if (typeof madeAtMs !== "number") return;
  const ageMs = context.nowMs - madeAtMs;
  if (ageMs >= REQUEST_MS || ageMs < -REQUEST_AHEAD_MS || isFull(context)) return;
  const known = from.userId === context.userId || context.rows.get("tracked", "", from.userId) !== null;
  // In a room its members ask, which the server vouches for; beside it only those whom we follow.
  if (!known && from.roomId === null) return;
  trackUsers(context, [from.userId]);
  addVerification(context, {
    ...from,
    deviceId,
    asked: [],
    ours: false,
    ourMethods: methodsOf(false),
    theirMethods: readMethods(content),
    untilMs: context.nowMs + Math.min(REQUEST_MS - Math.max(ageMs, 0), STEP_MS),
    state: { kind: "requested" },
  });
}

/** They said yes. @throws CryptoError FORMAT */
export function receiveReady(context: Context, row: VerificationRow, content: JsonObject): void {
  const deviceId = stringMember(content, "from_device", "m.key.verification.ready");
  if (row.state.kind !== "requested" || !row.ours) {
    // A second device of theirs says yes to a request in a room: too late, and no reason to end the first one's.
    if (row.roomId !== null && deviceId !== row.deviceId) return;
    advance(context, row, cancelled("m.unexpected_message", "It was ready already."));
    return;
  }
  if (row.roomId === null && !row.asked.includes(deviceId)) return;
  const others = row.asked.filter((asked) => asked !== deviceId);
  const content_ = { code: "m.accepted", reason: "Another device accepted.", transaction_id: row.flowId };
  if (others.length > 0) sayToDevices(context, row, others, "m.key.verification.cancel", content_);
  const next = { ...row, deviceId, asked: [], theirMethods: readMethods(content) };
  advance(context, next, { kind: "ready", qr: null });
}

/** We say yes. */
export function acceptRequest(context: Context, row: VerificationRow, scan: boolean): VerificationRow {
  const ourMethods = methodsOf(scan);
  const next = { ...row, ourMethods };
  const state: VerificationState = hasCommonMethod(next)
    ? { kind: "ready", qr: null }
    : cancelled("m.unknown_method", "No method of verification is known to both.");
  if (state.kind === "ready") {
    say(context, next, "ready", { from_device: context.deviceId, methods: [...commonMethods(next)] });
  }
  return advance(context, next, state);
}

/** What we answer with: our methods that theirs make sense of. */
function commonMethods({ ourMethods, theirMethods }: VerificationRow): readonly string[] {
  const counterpart = (method: string): string => {
    if (method === SHOW_METHOD) return SCAN_METHOD;
    return method === SCAN_METHOD ? SHOW_METHOD : method;
  };
  return ourMethods.filter((method) => theirMethods.includes(counterpart(method)));
}

function hasCommonMethod(row: VerificationRow): boolean {
  return commonMethods(row).some((method) => method !== RECIPROCATE_METHOD);
}

function readMethods(content: JsonObject): readonly string[] {
  const methods = member(content, "methods");
  if (!Array.isArray(methods)) return [];
  return methods.slice(0, METHODS_MAX).filter((method: unknown) => typeof method === "string");
}
