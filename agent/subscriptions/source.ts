// A room as it is read from its beginning, page by page: from a running agent through its control socket, or with the stored session. Who walks does not
// know which. Encrypted events come decrypted, or as what they are: then they count as unreadable.
import { asList, asObject, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject, JsonValue, MatrixClient, RoomEvent } from "#agent/matrix/types.ts";
import type { TelemetryFile } from "#agent/telemetry/parse.ts";
import { decryptAttachment } from "#crypto/attachments.ts";
import { nodeProvider } from "#crypto/provider/node.ts";

/** What of a room concerns telemetry. */
export interface RoomItem {
  readonly kind: "telemetry" | "loss" | "unreadable";
  readonly eventId: string;
  readonly sender: string;
  readonly originServerTs: number;
  readonly content: JsonObject;
}

export interface RoomPage {
  readonly items: readonly RoomItem[];
  /** Events of any kind. */
  readonly events: number;
  /** Where the next page begins; null at the end of the room. */
  readonly next: string | null;
}

export interface RoomSource {
  readonly page: (from: string | null) => Promise<RoomPage>;
  /** An attachment, decrypted. */
  readonly file: (file: TelemetryFile, bytesMax: number) => Promise<Uint8Array>;
}

/** Forty events of 65,536 bytes stay below what an answer of the control socket may hold. */
export const PAGE_EVENTS = 40;

const KINDS: ReadonlyMap<string, RoomItem["kind"]> = new Map([
  ["telemetry", "telemetry"],
  ["loss", "loss"],
]);

const kindOf = (type: string, namespace: string): RoomItem["kind"] | null => {
  if (type === "m.room.encrypted") return "unreadable";
  return type.startsWith(`${namespace}.`) ? (KINDS.get(type.slice(namespace.length + 1)) ?? null) : null;
};

const itemOf = (event: RoomEvent, namespace: string): RoomItem | null => {
  const kind = kindOf(event.type, namespace);
  const { content, eventId, originServerTs, sender } = event;
  // A ciphertext says nothing to who cannot read it.
  return kind === null
    ? null
    : { kind, eventId, sender, originServerTs, content: kind === "unreadable" ? {} : content };
};

/** With a client that reads (one that decrypts what comes through `messages`, where the room is encrypted). */
export const clientSource = (client: MatrixClient, roomId: string, namespace: string): RoomSource => ({
  page: async (from) => {
    const query = { direction: "f", limit: PAGE_EVENTS, ...(from === null ? {} : { from }) } as const;
    const { end, events } = await client.messages(roomId, query);
    return {
      items: events.flatMap((event) => itemOf(event, namespace) ?? []),
      events: events.length,
      // Some servers name an end for ever: an empty page is one.
      next: events.length === 0 ? null : end,
    };
  },
  file: async ({ encrypted, url }, bytesMax) => {
    const bytes = await client.download(url, bytesMax);
    return encrypted === null ? bytes : decryptAttachment(nodeProvider, bytes, encrypted);
  },
});

const KIND_NAMES: readonly RoomItem["kind"][] = ["telemetry", "loss", "unreadable"];

const parseItem = (value: JsonValue): RoomItem[] => {
  const item = asObject(value) ?? {};
  const kind = KIND_NAMES.find((name) => name === item["kind"]);
  const ts = item["originServerTs"];
  if (kind === undefined) return [];
  return [
    {
      kind,
      eventId: asString(field(item, "eventId")) ?? "",
      sender: asString(field(item, "sender")) ?? "",
      originServerTs: typeof ts === "number" ? ts : 0,
      content: asObject(field(item, "content")) ?? {},
    },
  ];
};

/** A page as it comes back from `pageVerb` through the control socket. */
export const parsePage = (answer: JsonValue): RoomPage => {
  const page = asObject(answer) ?? {};
  const events = page["events"];
  return {
    items: asList(field(page, "items")).flatMap(parseItem),
    events: typeof events === "number" ? events : 0,
    next: asString(field(page, "next")),
  };
};
