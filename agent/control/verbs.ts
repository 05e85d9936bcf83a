// What a running agent does for the command line.
import type { Agent } from "#agent/agent.ts";
import type { Config } from "#agent/config/config.ts";
import { LANES, type Lane } from "#agent/delivery/lanes.ts";
import { deadLetters, waitingIn } from "#agent/delivery/outbox.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asInteger, asObject, asString, field } from "#agent/matrix/json.ts";
import { text } from "#agent/matrix/relations.ts";
import type { JsonObject, JsonValue, RoomEvent } from "#agent/matrix/types.ts";
import { followRoom, roomIdOf } from "#agent/rooms/follow.ts";
import type { AgentRooms, RoomKind } from "#agent/rooms/rooms.ts";
import { statusText } from "#agent/rooms/status-card.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { parseTelemetry, TelemetryError } from "#agent/telemetry/event.ts";
import { telemetryLines } from "#agent/telemetry/lines.ts";
import { NAMESPACE } from "#agent/upstream.ts";
import type { Exchange, Handler } from "./server.ts";

export interface VerbContext {
  readonly agent: Agent;
  readonly config: Config;
  readonly store: Store;
  readonly runtime: Runtime;
}

const TAIL_EVERY_MS = 1000;
const TAIL_PAST_DEFAULT = 10;

const outboxOf = (store: Store): Record<Lane, number> & { readonly dead: number } =>
  store.read((database) => ({
    alarm: waitingIn(database, "alarm"),
    reply: waitingIn(database, "reply"),
    state: waitingIn(database, "state"),
    bulk: waitingIn(database, "bulk"),
    dead: deadLetters(database),
  }));

const status = ({ agent, store }: VerbContext): JsonValue => {
  const snapshot = agent.snapshot();
  const rooms = agent.upstream.rooms();
  const outbox = outboxOf(store);
  const { channels: _shown, readings, ...rest } = snapshot;
  const bytesAsText = readings.map(({ value, label, unit, ...reading }) => ({
    ...reading,
    ...(label === undefined ? {} : { label }),
    ...(unit === undefined ? {} : { unit }),
    value: typeof value === "number" || value instanceof Uint8Array ? String(value) : value,
  }));
  return JSON.parse(
    JSON.stringify({
      ...rest,
      readings: bytesAsText,
      homeserver: agent.upstream.linkUp() ? "reachable" : "not reachable",
      rooms: rooms === null ? null : { data: rooms.data.roomId, people: rooms.people.roomId },
      outbox,
      counters: agent.ingest.counters(),
      text: [
        statusText(snapshot),
        `homeserver: ${agent.upstream.linkUp() ? "reachable" : "not reachable"}`,
        `outbox: ${LANES.map((lane) => `${outbox[lane]} ${lane}`).join(", ")}${outbox.dead > 0 ? `, ${outbox.dead} set aside` : ""}`,
      ].join("\n"),
    }),
  ) as JsonValue; // what JSON.parse gives is JSON
};

const roomsOf = ({ agent }: VerbContext): AgentRooms => {
  const rooms = agent.upstream.rooms();
  if (rooms === null)
    throw new CliError(
      EXIT.unreachable,
      "the agent has not reached its homeserver yet, so its rooms are not known; its log says why",
    );
  return rooms;
};

const kindOf = (args: JsonObject): RoomKind => (asString(field(args, "room")) === "data" ? "data" : "people");

const send = async (context: VerbContext, args: JsonObject): Promise<JsonValue> => {
  const type = asString(field(args, "type")) ?? "m.room.message";
  const body = asString(field(args, "body"));
  const content = asObject(field(args, "content")) ?? (body === null ? null : text(body));
  if (content === null) throw new CliError(EXIT.usage, "nothing to send: a text or a content is expected");
  const { roomId } = roomsOf(context)[kindOf(args)];
  const transactionId = await context.agent.upstream.send({ lane: "reply", roomId, type, content });
  return { transactionId, roomId };
};

/** What `tail` shows of an event: itself, and its readings as lines; null if it is no telemetry. */
export const tailEvent = (event: RoomEvent): JsonValue | null => {
  if (event.type !== `${NAMESPACE}.telemetry`) return null;
  const { content, eventId, originServerTs, sender } = event;
  try {
    return { eventId, sender, originServerTs, content, lines: telemetryLines(parseTelemetry(content)) };
  } catch (error) {
    if (!(error instanceof TelemetryError)) throw error;
    return { eventId, sender, originServerTs, content, lines: [`${eventId}: ${error.message}`] };
  }
};

const tail = async (context: VerbContext, args: JsonObject, exchange: Exchange): Promise<JsonValue> => {
  const client = context.agent.upstream.client();
  const named = asString(field(args, "room"));
  if (client === null) throw new CliError(EXIT.unreachable, "the agent has not reached its homeserver yet");
  const roomId = named === null ? roomsOf(context).data.roomId : await roomIdOf(client, named);
  const past = asInteger(field(args, "past")) ?? TAIL_PAST_DEFAULT;
  await followRoom(
    client,
    roomId,
    { past, everyMs: TAIL_EVERY_MS },
    context.runtime,
    exchange.signal,
    (event) => {
      const shown = tailEvent(event);
      if (shown !== null) exchange.event(shown);
    },
  );
  return null;
};

export const controlVerbs = (context: VerbContext): Readonly<Record<string, Handler>> => ({
  status: () => Promise.resolve(status(context)),
  send: (args) => send(context, args),
  tail: (args, exchange) => tail(context, args, exchange),
});
