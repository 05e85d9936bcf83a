// Who looks into a room for a test, and knows nothing of ours: the list of its events comes over plain HTTP, so that none is overlooked; what is encrypted is
// opened by another implementation's client (matrix-js-sdk or matrix-nio), with the keys that the agent gave it.
import type { PersonClient } from "#test/peers/clients/client.ts";
import { isObject, type JsonObject, type ReadEvent, readRoom, text } from "#test/peers/http.ts";
import { byIndex } from "#test/support/megolm-index.ts";

export interface Witnessed extends ReadEvent {
  /** As the server has it. */
  readonly wire: { readonly type: string; readonly content: JsonObject };
}

export type ClosedEvent = JsonObject & { readonly sender: string; readonly event_id: string };

export interface Witness {
  /** The encrypted ones as a client's `decrypt` takes them. */
  closed(roomId: string): Promise<ClosedEvent[]>;
  /** Every event of the room in order; what nobody gave a key for stays `m.room.encrypted`. */
  read(roomId: string): Promise<Witnessed[]>;
}

const ENCRYPTED = "m.room.encrypted";

/** The wire's content alone says to what an encrypted event relates; clients look there. */
const withRelation = (inside: JsonObject, wire: JsonObject): JsonObject =>
  isObject(wire["m.relates_to"]) ? { ...inside, "m.relates_to": wire["m.relates_to"] } : inside;

const closedOf = (
  room_id: string,
  { content, event_id, origin_server_ts, sender, type }: ReadEvent,
): ClosedEvent => ({ room_id, content, event_id, origin_server_ts, sender, type });

/** `reader` null: what is encrypted is not opened. */
export const createWitness = (url: string, accessToken: string, reader: PersonClient | null): Witness => {
  const opened = new Map<string, { readonly type: string; readonly content: JsonObject }>();
  const open = async (roomId: string, events: readonly ReadEvent[]): Promise<void> => {
    const closed = events.filter(({ event_id, type }) => type === ENCRYPTED && !opened.has(event_id));
    if (reader === null || closed.length === 0) return;
    const insides = await reader.decrypt(closed.map((event) => closedOf(roomId, event)));
    for (const [index, inside] of insides.entries()) {
      const event = closed[index];
      if (inside === null || event === undefined) continue;
      opened.set(event.event_id, { type: inside.type, content: withRelation(inside.content, event.content) });
    }
  };
  return {
    closed: async (roomId) =>
      (await readRoom(url, accessToken, roomId))
        .filter(({ type }) => type === ENCRYPTED)
        .map((event) => closedOf(roomId, event)),
    read: async (roomId) => {
      const events = await readRoom(url, accessToken, roomId);
      await open(roomId, events);
      return events.map((event) => {
        const { content, event_id, type } = event;
        return { ...event, ...opened.get(event_id), wire: { type, content } };
      });
    },
  };
};

/** Sessions and indexes of the sender's ratchets that stand for two ciphertexts. None, or a crash has cost a secret. */
export const reusedIndexes = (events: readonly Witnessed[], sender: string): string[] => {
  const own = events.filter((event) => event.sender === sender && event.wire.type === ENCRYPTED);
  return [...byIndex(own.map(({ wire }) => wire.content))]
    .filter(([, ciphertexts]) => ciphertexts.size > 1)
    .map(([name]) => name);
};

export const bodyOf = ({ content }: ReadEvent): string => text(content, "body");
