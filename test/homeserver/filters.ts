// Filters (Client-Server API, "Filtering"): which rooms, events and members a client wants.
import { isObject, type JsonObject, numberAt, objectAt, stringsAt } from "./json.ts";

export const TIMELINE_LIMIT_DEFAULT = 10;
const TIMELINE_LIMIT_MAX = 100;

export interface EventFilter {
  readonly limit: number;
  readonly lazyLoadMembers: boolean;
  readonly accepts: (event: {
    readonly type: string;
    readonly sender: string;
    readonly content: JsonObject;
  }) => boolean;
}

export interface SyncFilter {
  readonly acceptsRoom: (roomId: string) => boolean;
  readonly includeLeave: boolean;
  readonly timeline: EventFilter;
  readonly state: EventFilter;
  readonly ephemeral: EventFilter;
  readonly roomAccountData: EventFilter;
  readonly accountData: EventFilter;
}

/** `*` stands for any characters. */
const matches = (patterns: readonly string[], value: string, wildcards: boolean): boolean =>
  patterns.some((pattern) =>
    wildcards && pattern.includes("*")
      ? new RegExp(`^${pattern.split("*").map(escaped).join(".*")}$`).test(value)
      : pattern === value,
  );

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

const allows = (filter: JsonObject, key: string, value: string, wildcards = false): boolean => {
  const [wanted, unwanted] = [stringsAt(filter, key), stringsAt(filter, `not_${key}`)];
  if (unwanted !== null && matches(unwanted, value, wildcards)) return false;
  return wanted === null || matches(wanted, value, wildcards);
};

export const eventFilter = (filter: JsonObject, wildcards: boolean): EventFilter => ({
  limit: Math.min(TIMELINE_LIMIT_MAX, Math.max(0, numberAt(filter, "limit") ?? TIMELINE_LIMIT_DEFAULT)),
  lazyLoadMembers: filter["lazy_load_members"] === true,
  accepts: ({ type, sender, content }) => {
    const hasUrl = typeof content["url"] === "string";
    if (typeof filter["contains_url"] === "boolean" && filter["contains_url"] !== hasUrl) return false;
    return allows(filter, "types", type, wildcards) && allows(filter, "senders", sender);
  },
});

/** What of filters the profile's server obeys. */
export interface FilterHabits {
  readonly filterWildcards: boolean;
  readonly filterRooms: boolean;
}

export const syncFilter = (filter: JsonObject, habits: FilterHabits): SyncFilter => {
  const room = objectAt(filter, "room") ?? {};
  const part = (from: JsonObject, key: string): EventFilter =>
    eventFilter(objectAt(from, key) ?? {}, habits.filterWildcards);
  return {
    acceptsRoom: (roomId) => !habits.filterRooms || allows(room, "rooms", roomId),
    includeLeave: room["include_leave"] === true,
    timeline: part(room, "timeline"),
    state: part(room, "state"),
    ephemeral: part(room, "ephemeral"),
    roomAccountData: part(room, "account_data"),
    accountData: part(filter, "account_data"),
  };
};

/** The JSON filter of a query parameter, or null where it is none. */
export const inlineFilter = (text: string | null): JsonObject | null => {
  if (text === null || !text.startsWith("{")) return null;
  try {
    const parsed: unknown = JSON.parse(text);
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
};
