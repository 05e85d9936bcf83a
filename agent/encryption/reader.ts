// Reading encrypted rooms along, beside the sync: `petrel tail`. With the running agent's machine, or with the store of one that does not run.
import type { JsonObject, MatrixClient, RoomEvent } from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { createMachine } from "#crypto/machine/machine.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { type Access, createAccess } from "./access.ts";
import { ENCRYPTED } from "./incoming.ts";

/** Opens what is encrypted, in one transaction; what cannot be read stays as it is. */
export const readEvents = async (
  access: Pick<Access, "in">,
  events: readonly RoomEvent[],
): Promise<readonly RoomEvent[]> => {
  if (!events.some(({ type }) => type === ENCRYPTED)) return events;
  return access.in((calls) =>
    events.map((event) => {
      if (event.type !== ENCRYPTED) return event;
      const { content, eventId, originServerTs, roomId, sender, type } = event;
      const raw = { type, event_id: eventId, sender, origin_server_ts: originServerTs, content };
      const result = calls.decryptRoomEvent(roomId, raw);
      if (result.kind !== "decrypted") return event;
      const inner: unknown = result.content;
      // JSON by its making; what is no object has nothing to show.
      return { ...event, type: result.type, content: isObject(inner) ? (inner as JsonObject) : {} };
    }),
  );
};

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** With the store of an agent that does not run. */
export const readWithStore = (
  store: Store,
  runtime: Runtime,
  device: { readonly userId: string; readonly deviceId: string },
  events: readonly RoomEvent[],
): Promise<readonly RoomEvent[]> => {
  const machine = createMachine({ provider: nodeProvider, ...device });
  const access = createAccess(store, nodeProvider, machine, runtime.log, () => runtime.clock.wallMs());
  return readEvents(access, events);
};

/** The client, its pages opened by `read`. */
export const readingClient = (
  client: MatrixClient,
  read: (events: readonly RoomEvent[]) => Promise<readonly RoomEvent[]>,
): MatrixClient => ({
  ...client,
  messages: async (roomId, query) => {
    const page = await client.messages(roomId, query);
    return { ...page, events: await read(page.events) };
  },
});
