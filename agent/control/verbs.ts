// What a running agent does for the command line.
import type { Agent } from "#agent/agent.ts";
import type { Config } from "#agent/config/config.ts";
import { bytesLines } from "#agent/delivery/bytes-text.ts";
import { LANES, type Lane } from "#agent/delivery/lanes.ts";
import { deadLetters, waitingIn } from "#agent/delivery/outbox.ts";
import type { EncryptionView } from "#agent/encryption/engine.ts";
import { explain } from "#agent/encryption/undecrypted.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { identityVerbs } from "#agent/identity/verbs.ts";
import { asInteger, asObject, asString, field } from "#agent/matrix/json.ts";
import { text } from "#agent/matrix/relations.ts";
import type { JsonObject, JsonValue, MatrixClient, RoomEvent } from "#agent/matrix/types.ts";
import type { ProcessFigures } from "#agent/metrics/figures.ts";
import { followNamed, roomIdOf } from "#agent/rooms/follow.ts";
import { knownRoom, type RoomKind } from "#agent/rooms/rooms.ts";
import { type ChannelView, statusText } from "#agent/rooms/status-card.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { roomReadingVerbs } from "#agent/subscriptions/control.ts";
import { contentLines } from "#agent/telemetry/lines.ts";
import { NAMESPACE } from "#agent/upstream.ts";
import { inviteVerb } from "./invite-verb.ts";
import { onlineNotes } from "./online-check.ts";
import { outboxVerb } from "./outbox-verb.ts";
import type { Exchange, Handler } from "./server.ts";

export interface VerbContext {
  readonly agent: Agent;
  readonly config: Config;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly figures: ProcessFigures;
}

/** What `petrel tail` follows. */
export const TELEMETRY: readonly string[] = [`${NAMESPACE}.telemetry`, `${NAMESPACE}.loss`];

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

type Counters = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** `gps: 3 malformed, 1 overlong`: what a driver counted, where it counted anything. */
const counterLines = (counters: Counters): string[] =>
  Object.entries(counters).flatMap(([driver, counts]) => {
    const words = Object.entries(counts).map(([name, count]) => `${count} ${name.replaceAll("_", " ")}`);
    return words.length === 0 ? [] : [`${driver}: ${words.join(", ")}`];
  });

const statusLines = ({ agent, store }: VerbContext): string => {
  const outbox = outboxOf(store);
  return [
    statusText(agent.snapshot()),
    ...counterLines(agent.ingest.counters()),
    `homeserver: ${linkText(agent)}`,
    ...bytesLines(agent.bytes.view()),
    `outbox: ${LANES.map((lane) => `${outbox[lane]} ${lane}`).join(", ")}${outbox.dead > 0 ? `, ${outbox.dead} set aside` : ""}`,
  ].join("\n");
};

const networkOf = ({ bytes }: Agent): object => {
  const { today, total, ...view } = bytes.view();
  return { ...view, today: Object.fromEntries(today), total: Object.fromEntries(total) };
};

const linkText = (agent: Agent): string => (agent.upstream.linkUp() ? "reachable" : "not reachable");

const readingsOf = (readings: readonly ChannelView[]): object[] =>
  readings.map(({ value, ageMs, ...reading }) => ({
    ...reading,
    ageMs: Math.round(ageMs),
    value: typeof value === "number" || value instanceof Uint8Array ? String(value) : value,
  }));

/** Lines for a person: what stands in the way of being read. */
const encryptionLines = ({ crossSigning, undecrypted, without }: EncryptionView): string[] => {
  const hints = [
    ...(crossSigning === "ours" ? [] : [`this device is not cross-signed (${crossSigning})`]),
    ...Object.entries(undecrypted).map(
      ([cause, count]) => `${count} events cannot be read: ${explain(cause)}`,
    ),
    ...[...new Set(Object.values(without).flat())].map(
      (member) => `${member} cannot read: none of their devices is cross-signed`,
    ),
  ];
  return [`encryption: on${hints.map((hint) => `\n  ${hint}`).join("")}`];
};

const status = async (context: VerbContext): Promise<JsonValue> => {
  const { agent, store } = context;
  const { channels: _shown, readings, upMs, ...rest } = agent.snapshot();
  const rooms = agent.upstream.rooms();
  const roomIds = rooms === null ? [] : [rooms.data.roomId, rooms.people.roomId];
  const encryption = (await agent.upstream.engine()?.view(roomIds)) ?? null;
  return JSON.parse(
    JSON.stringify({
      ...rest,
      upMs: Math.round(upMs),
      readings: readingsOf(readings),
      homeserver: linkText(agent),
      network: networkOf(agent),
      rooms: rooms === null ? null : { data: rooms.data.roomId, people: rooms.people.roomId },
      outbox: outboxOf(store),
      counters: agent.ingest.counters(),
      encryption,
      text: [statusLines(context), ...(encryption === null ? [] : encryptionLines(encryption))].join("\n"),
    }),
  ) as JsonValue; // what JSON.parse gives is JSON
};

/** Known from an earlier run even while the homeserver cannot be reached. */
const roomOf = ({ agent, config, store }: VerbContext, kind: RoomKind): string => {
  const room = agent.upstream.rooms()?.[kind] ?? knownRoom(store, config, kind);
  if (room === null)
    throw new CliError(
      EXIT.unreachable,
      "the agent has not reached its homeserver yet, so its rooms are not known; its log says why",
    );
  return room.roomId;
};

const clientOf = ({ agent }: VerbContext): MatrixClient => {
  const client = agent.upstream.client();
  if (client === null)
    throw new CliError(
      EXIT.unreachable,
      "the agent has not reached its homeserver yet; it goes on trying, and its log says why",
    );
  return client;
};

const kindOf = (args: JsonObject): RoomKind => (asString(field(args, "room")) === "data" ? "data" : "people");

const send = async (context: VerbContext, args: JsonObject): Promise<JsonValue> => {
  const type = asString(field(args, "type")) ?? "m.room.message";
  const body = asString(field(args, "body"));
  const content = asObject(field(args, "content")) ?? (body === null ? null : text(body));
  if (content === null) throw new CliError(EXIT.usage, "nothing to send: a text or a content is expected");
  const roomId = roomOf(context, kindOf(args));
  const transactionId = await context.agent.upstream.send({ lane: "reply", roomId, type, content });
  return { transactionId, roomId };
};

/** What `tail` shows of an event: itself, and its readings or losses as lines; null if it is of another kind. */
export const tailEvent = (event: RoomEvent): JsonValue | null => {
  if (!TELEMETRY.includes(event.type)) return null;
  const { content, eventId, originServerTs, sender, type } = event;
  const lines = contentLines(type === TELEMETRY[0] ? "telemetry" : "loss", content);
  return { eventId, sender, originServerTs, type, content, lines };
};

const metricsVerb = async (context: VerbContext, openmetrics: boolean): Promise<JsonValue> => {
  const [{ collect }, { expositionText }] = await Promise.all([
    import("#agent/metrics/collect.ts"),
    import("#agent/metrics/exposition.ts"),
  ]);
  return { text: expositionText(collect(context), openmetrics ? "openmetrics" : "prometheus") };
};

/** The client, its pages decrypted where rooms are encrypted. */
const readerOf = async ({ agent, ...context }: VerbContext): Promise<MatrixClient> => {
  const client = clientOf({ agent, ...context });
  const engine = agent.upstream.engine();
  if (engine === null) return client;
  const { readingClient } = await import("#agent/encryption/reader.ts");
  return readingClient(client, (events) => engine.read(events));
};

const tail = async (context: VerbContext, args: JsonObject, exchange: Exchange): Promise<JsonValue> => {
  const client = await readerOf(context);
  const named = asString(field(args, "room"));
  const room = named ?? roomOf(context, "data");
  const past = asInteger(field(args, "past")) ?? TAIL_PAST_DEFAULT;
  await followNamed(
    client,
    room,
    { type: TELEMETRY, past, everyMs: TAIL_EVERY_MS },
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
  check: async () => ({ notes: await onlineNotes(clientOf(context), context.config) }),
  status: () => status(context),
  metrics: (args) => metricsVerb(context, field(args, "openmetrics") === true),
  send: (args) => send(context, args),
  invite: (args) =>
    inviteVerb(clientOf(context), context.agent.upstream.engine(), roomOf(context, kindOf(args)), args),
  tail: (args, exchange) => tail(context, args, exchange),
  ...identityVerbs(() => context.agent.upstream.engine()?.identity() ?? null),
  outbox: (args) =>
    outboxVerb(context.store, context.runtime.random, args, () => context.agent.upstream.poke()),
  ...roomReadingVerbs({
    client: () => readerOf(context),
    roomId: (named) =>
      named === null ? Promise.resolve(roomOf(context, "data")) : roomIdOf(clientOf(context), named),
    namespace: NAMESPACE,
  }),
});
