// What the server is to leave out of a sync (Client-Server API, "Filtering"): on a metered link each answer counts.
import { TIMELINE_LIMIT } from "./limits.ts";
import type { JsonObject } from "./types.ts";

export interface SyncFilter {
  /** Only these rooms; absent means all that we are in. Invites to others are then not seen. */
  readonly rooms?: readonly string[];
  /** Only timeline events of these types (`m.room.encrypted` among them where rooms are encrypted); absent means all. */
  readonly types?: readonly string[];
  /** No timeline events of these types: what we send ourselves in bulk need not come back. */
  readonly notTypes?: readonly string[];
  /** No timeline events of these users: where all is encrypted, what we sent ourselves can be told by its sender only. */
  readonly notSenders?: readonly string[];
  readonly timelineLimit?: number;
}

const typesOf = (filter: SyncFilter): JsonObject => ({
  ...(filter.types === undefined ? {} : { types: filter.types }),
  ...(filter.notTypes === undefined ? {} : { not_types: filter.notTypes }),
  ...(filter.notSenders === undefined ? {} : { not_senders: filter.notSenders }),
});

/** The filter as `POST /user/{userId}/filter` takes it, or `?filter=` inline. */
export const filterBody = (filter: SyncFilter): JsonObject => ({
  presence: { not_types: ["*"] },
  // Push rules are some kilobytes, and nothing here rings.
  account_data: { not_types: ["m.push_rules"] },
  room: {
    ...(filter.rooms === undefined ? {} : { rooms: filter.rooms }),
    state: { lazy_load_members: true },
    timeline: { limit: filter.timelineLimit ?? TIMELINE_LIMIT, lazy_load_members: true, ...typesOf(filter) },
    ephemeral: { not_types: ["*"] },
    account_data: { not_types: ["*"] },
  },
});

/** The same choice for a page of /messages. */
export const messagesFilter = (filter: SyncFilter): JsonObject => ({
  lazy_load_members: true,
  ...typesOf(filter),
});
