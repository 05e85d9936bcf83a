// Delayed events (MSC4140): an event that the server sends by itself unless it is told again and again to wait. Three forms are out there:
//
//   accepted:  PUT v3/rooms/{room}/delayed_event/{type}/{txn} {delay_ms, content}     POST v1/delayed_events/{id}/{action}
//   Synapse:   PUT v3/rooms/{room}/send/{type}/{txn}?org.matrix.msc4140.delay=MS      POST unstable/org.matrix.msc4140/delayed_events/{id}/{action}
//   older:     the same                                                             POST .../delayed_events/{id} {action}
//
// A server that knows none of it would send the event at once: nothing is ever asked for without the server's own word that it can (its feature flag or
// capability), and an answer with an `event_id` is a failure.
import { pathOf } from "#agent/matrix/call.ts";
import { asInteger, asObject, asString, field, objectsOf } from "#agent/matrix/json.ts";
import { type JsonObject, type MatrixClient, MatrixError } from "#agent/matrix/types.ts";

export type DelayedAction = "restart" | "cancel" | "send";

export interface Scheduled {
  readonly id: string;
  readonly roomId: string;
  readonly type: string;
  readonly content: JsonObject;
}

export interface DelayedEvents {
  /** The longest delay that the server takes. */
  readonly delayMsMax: number;
  /** Gives the ID of what is scheduled. Throws `SentAtOnce`. */
  schedule(
    roomId: string,
    type: string,
    txnId: string,
    content: JsonObject,
    delayMs: number,
  ): Promise<string>;
  act(id: string, action: DelayedAction, timeoutMs?: number): Promise<void>;
  /** What waits of ours, as far as the server tells. */
  list(): Promise<readonly Scheduled[]>;
}

/** The server sent it although it said that it knows delays. */
export class SentAtOnce extends Error {
  constructor(eventId: string) {
    super(`the server sent a delayed event at once (${eventId}): expected a delay_id`);
    this.name = "SentAtOnce";
  }
}

type Client = Pick<MatrixClient, "capabilities" | "versions" | "request">;

const V3 = "/_matrix/client/v3/rooms";
const UNSTABLE = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events";
const STABLE = "/_matrix/client/v1/delayed_events";
const FLAG = "org.matrix.msc4140";

const delayIdOf = (answer: JsonObject): string => {
  const id = asString(field(answer, "delay_id"));
  if (id !== null) return id;
  throw new SentAtOnce(asString(field(answer, "event_id")) ?? "no ID");
};

const parseList = (answer: JsonObject): Scheduled[] =>
  [...objectsOf(field(answer, "delayed_events")), ...objectsOf(field(answer, "scheduled"))].flatMap(
    (entry) => {
      const id = asString(field(entry, "delay_id"));
      const roomId = asString(field(entry, "room_id"));
      const type = asString(field(entry, "type"));
      if (id === null || roomId === null || type === null) return [];
      return [{ id, roomId, type, content: asObject(field(entry, "content")) ?? {} }];
    },
  );

const lister = (client: Client, path: string) => async (): Promise<readonly Scheduled[]> => {
  try {
    return parseList(await client.request("GET", path));
  } catch (error) {
    if (error instanceof MatrixError && error.status === 404) return [];
    throw error;
  }
};

const accepted = (client: Client, delayMsMax: number): DelayedEvents => ({
  delayMsMax,
  schedule: async (roomId, type, txnId, content, delayMs) => {
    const path = pathOf(V3, roomId, "delayed_event", type, txnId);
    return delayIdOf(await client.request("PUT", path, { body: { delay_ms: delayMs, content } }));
  },
  act: async (id, action, timeoutMs) => {
    await client.request("POST", pathOf(STABLE, id, action), {
      body: {},
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  },
  list: lister(client, STABLE),
});

const isUnknownEndpoint = (error: unknown): boolean =>
  error instanceof MatrixError && (error.errcode === "M_UNRECOGNIZED" || error.status === 405);

const asShipped = (client: Client, delayMsMax: number): DelayedEvents => {
  let actionInBody = false;
  const act = async (id: string, action: DelayedAction, timeoutMs?: number): Promise<void> => {
    // As this call was made: of two at a time, the first one's lesson is not the second one's failure.
    const inBody = actionInBody;
    const path = inBody ? pathOf(UNSTABLE, id) : pathOf(UNSTABLE, id, action);
    const body = inBody ? { action } : {};
    try {
      await client.request("POST", path, { body, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
    } catch (error) {
      if (inBody || !isUnknownEndpoint(error)) throw error;
      actionInBody = true;
      await act(id, action, timeoutMs);
    }
  };
  return {
    delayMsMax,
    schedule: async (roomId, type, txnId, content, delayMs) => {
      const query = { "org.matrix.msc4140.delay": String(delayMs) };
      const path = pathOf(V3, roomId, "send", type, txnId);
      return delayIdOf(await client.request("PUT", path, { body: content, query }));
    },
    act,
    list: lister(client, UNSTABLE),
  };
};

const maxOf = (capability: JsonObject | null): number =>
  asInteger(field(capability ?? {}, "max_delay_ms")) ?? Number.POSITIVE_INFINITY;

/** What this server has of it, by its own word; null: nothing. */
export const findDelayedEvents = async (client: Client): Promise<DelayedEvents | null> => {
  const capabilities = await client.capabilities();
  const stable = asObject(field(capabilities, "m.delayed_events"));
  if (stable !== null) return accepted(client, maxOf(stable));
  const { unstable } = await client.versions();
  if (unstable[FLAG] !== true) return null;
  return asShipped(client, maxOf(asObject(field(capabilities, `${FLAG}.delayed_events`))));
};
