// Sending events and state, redaction, receipts (Client-Server API, "Sending events to a room"), and the old form of delayed events
// (MSC4140 as servers ship it: a query parameter on the same endpoints).
import { once, param, type Route, type SignedCall, signed } from "../call.ts";
import { scheduleDelayed } from "../delayed.ts";
import { holdsFloat, type JsonObject, objectAt, stringAt, unsafeInteger } from "../json.ts";
import { badRequest, notFound, Refusal, type Reply, reply } from "../refusal.ts";
import { type Circumstances, joinedRoom, knownRoom, submit } from "../rooms.ts";
import { viewOf } from "../views.ts";
import { announce, nextPosition, type Room, stateKeyOf } from "../world.ts";

/** Content as canonical JSON allows it: no floats, no integers beyond 2^53-1. */
const contentOf = (call: SignedCall): JsonObject => {
  const content = call.body();
  const errcode = call.world.profile.badNumber;
  if (holdsFloat(call.text())) throw badRequest(errcode, "Bad JSON value: float");
  if (unsafeInteger(content) !== null) throw badRequest(errcode, "JSON integer out of range");
  return content;
};

const circumstances = (call: SignedCall, transactionId?: string): Circumstances => {
  const ts = call.query.get("ts");
  const isHonoured = ts !== null && call.world.profile.timestampParameter;
  return {
    session: call.session,
    ...(transactionId === undefined ? {} : { transactionId }),
    ...(isHonoured ? { ts: Number(ts) } : {}),
  };
};

const DELAY = "org.matrix.msc4140.delay";

/** The asked delay, where the server knows the parameter; elsewhere it is sent at once, as those servers do. */
const delayOf = (call: SignedCall): number | null => {
  const asked = call.query.get(DELAY);
  if (asked === null || !call.world.profile.delayedEvents || call.world.delayedEventForm === "accepted")
    return null;
  return Number(asked);
};

interface Placed {
  readonly room: Room;
  readonly type: string;
  readonly stateKey: string | null;
  readonly content: JsonObject;
}

const post = (
  call: SignedCall,
  placed: Placed,
  transactionId?: string,
  delayMs: number | null = delayOf(call),
): JsonObject => {
  const { room, type, stateKey, content } = placed;
  const draft = {
    type,
    sender: call.user.userId,
    stateKey,
    content,
    ...(type === "m.room.redaction" ? { redacts: stringAt(content, "redacts") ?? "" } : {}),
  };
  const how = circumstances(call, transactionId);
  const send = (): JsonObject => ({ event_id: submit(call.world, room, draft, how).eventId });
  if (delayMs === null) return send();
  return scheduleDelayed(
    call.world,
    call.user.userId,
    delayMs,
    { room_id: room.roomId, type, content },
    send,
  );
};

const checkMessage = (call: SignedCall, type: string, content: JsonObject): void => {
  if (type !== "m.room.message" || !call.world.profile.checksMessages) return;
  for (const key of ["body", "msgtype"]) {
    if (typeof content[key] !== "string") throw badRequest("M_UNKNOWN", `'${key}' not in content`);
  }
};

const send = (call: SignedCall): JsonObject => {
  const transactionId = param(call, "txnId");
  return once(call, transactionId, () => {
    const room = joinedRoom(call.world, param(call, "roomId"), call.user.userId);
    const content = contentOf(call);
    call.limiter.spend("message", call.user.userId, call.user);
    checkMessage(call, param(call, "type"), content);
    return post(call, { room, type: param(call, "type"), stateKey: null, content }, transactionId);
  });
};

/** The accepted form: the content beside its delay. */
const sendDelayed = (call: SignedCall): JsonObject => {
  const { world } = call;
  if (!world.profile.delayedEvents || world.delayedEventForm !== "accepted")
    throw new Refusal(404, "M_UNRECOGNIZED", "Unrecognized request");
  const transactionId = param(call, "txnId");
  return once(call, transactionId, () => {
    const room = joinedRoom(world, param(call, "roomId"), call.user.userId);
    const content = objectAt(contentOf(call), "content") ?? {};
    const placed = { room, type: param(call, "type"), stateKey: null, content };
    return post(call, placed, transactionId, Number(call.body()["delay_ms"]));
  });
};

const putState = (call: SignedCall): JsonObject => {
  const room = joinedRoom(call.world, param(call, "roomId"), call.user.userId);
  const content = contentOf(call);
  call.limiter.spend("message", call.user.userId, call.user);
  const [type, stateKey] = [param(call, "type"), param(call, "stateKey")];
  const current = room.state.get(stateKeyOf(type, stateKey));
  const isSame = current !== undefined && JSON.stringify(current.content) === JSON.stringify(content);
  if (isSame && current.sender === call.user.userId) return { event_id: current.eventId };
  return post(call, { room, type, stateKey, content });
};

const getState = (call: SignedCall): JsonObject => {
  const room = knownRoom(call.world, param(call, "roomId"), call.user.userId);
  const event = room.state.get(stateKeyOf(param(call, "type"), param(call, "stateKey")));
  if (event === undefined) throw notFound("Event not found.");
  // Synapse and Dendrite give the whole event when asked to.
  return call.query.get("format") === "event" ? viewOf(call.world, room, event, call.session) : event.content;
};

/** The one answer of the API that is a list. */
const allState = (call: SignedCall): Reply => {
  const room = knownRoom(call.world, param(call, "roomId"), call.user.userId);
  const events = [...room.state.values()].map((event) => viewOf(call.world, room, event, call.session));
  return reply(200, Buffer.from(JSON.stringify(events)), { "content-type": "application/json" });
};

const redact = (call: SignedCall): JsonObject => {
  const transactionId = param(call, "txnId");
  const act = (): JsonObject => {
    const room = joinedRoom(call.world, param(call, "roomId"), call.user.userId);
    call.limiter.spend("message", call.user.userId, call.user);
    const redacts = param(call, "eventId");
    const isKnown = room.byId.has(redacts);
    const refusal = isKnown ? null : call.world.profile.redactUnknown;
    if (refusal !== null) throw new Refusal(refusal.status, refusal.errcode, "unknown event ID");
    const reason = stringAt(call.body(), "reason");
    const isOld = room.version === "10";
    const content: JsonObject = {
      ...(reason === null ? {} : { reason }),
      ...(isOld ? {} : { redacts }),
    };
    const draft = {
      type: "m.room.redaction",
      sender: call.user.userId,
      stateKey: null,
      content,
      redacts,
    };
    return { event_id: submit(call.world, room, draft, circumstances(call, transactionId)).eventId };
  };
  return call.world.profile.redactIsIdempotent ? once(call, transactionId, act) : act();
};

const receipt = (call: SignedCall): JsonObject => {
  if (call.bytes.length === 0 && call.world.profile.emptyReceiptRefused) {
    throw badRequest("M_NOT_JSON", "Content not JSON.");
  }
  const room = joinedRoom(call.world, param(call, "roomId"), call.user.userId);
  const [type, eventId, userId] = [param(call, "receiptType"), param(call, "eventId"), call.user.userId];
  const threadId = stringAt(call.body(), "thread_id");
  const position = nextPosition(call.world);
  const key = `${type}\0${userId}\0${threadId ?? ""}`;
  room.receipts.set(key, { eventId, type, userId, ts: call.world.now(), threadId, position });
  announce(call.world);
  return {};
};

const readMarkers = (call: SignedCall): JsonObject => {
  const room = joinedRoom(call.world, param(call, "roomId"), call.user.userId);
  const eventId = stringAt(call.body(), "m.read");
  if (eventId === null) return {};
  const position = nextPosition(call.world);
  const { userId } = call.user;
  const entry = { eventId, type: "m.read", userId, ts: call.world.now(), threadId: null, position };
  room.receipts.set(`m.read\0${userId}\0`, entry);
  announce(call.world);
  return {};
};

const ROOM = "/_matrix/client/v3/rooms/:roomId";

export const eventRoutes: readonly Route[] = [
  signed("PUT", `${ROOM}/send/:type/:txnId`, send),
  signed("PUT", `${ROOM}/delayed_event/:type/:txnId`, sendDelayed),
  signed("PUT", `${ROOM}/state/:type`, putState),
  signed("PUT", `${ROOM}/state/:type/:stateKey`, putState),
  signed("GET", `${ROOM}/state/:type`, getState),
  signed("GET", `${ROOM}/state/:type/:stateKey`, getState),
  signed("GET", `${ROOM}/state`, allState),
  signed("PUT", `${ROOM}/redact/:eventId/:txnId`, redact),
  signed("POST", `${ROOM}/receipt/:receiptType/:eventId`, receipt),
  signed("POST", `${ROOM}/read_markers`, readMarkers),
];
