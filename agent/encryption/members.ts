// Who is in a room, as sharing a room key needs it: the whole list, asked for once a run (`/members`, since a lazy sync shows only those who speak) and kept
// up to date by the sync. In memory: a start asks again, so nothing that happened meanwhile is missed.

import { pathOf } from "#agent/matrix/call.ts";
import { asList, asObject, asString, field } from "#agent/matrix/json.ts";
import {
  type JsonObject,
  type MatrixClient,
  MatrixError,
  type RoomEvent,
  type SyncBatch,
} from "#agent/matrix/types.ts";

const VISIBILITY_DEFAULT = "shared";

interface Room {
  /** By user ID: the membership. Null: to be asked for. */
  members: Map<string, string> | null;
  /** Of history; null: to be asked for. */
  visibility: string | null;
  /** Its encryption was asked for in this run. */
  checked: boolean;
  /** Counts what the sync brought, so that an answer that was under way meanwhile is not taken for the newest. */
  version: number;
}

export interface RoomMembers {
  /** Everybody who may read: joined, and invited unless the history visibility is `joined`. */
  readonly members: readonly string[];
  /** Later members may be given keys of now. */
  readonly sharedHistory: boolean;
}

export interface MembershipChange {
  /** Somebody left, or may have: the next event needs a new key. */
  readonly left: ReadonlySet<string>;
  /** Rooms about which anything changed. */
  readonly changed: ReadonlySet<string>;
}

const membershipOf = (content: JsonObject): string => asString(field(content, "membership")) ?? "leave";

export class Members {
  readonly #client: Pick<MatrixClient, "request" | "getState">;
  readonly #rooms = new Map<string, Room>();

  constructor(client: Pick<MatrixClient, "request" | "getState">) {
    this.#client = client;
  }

  #room(roomId: string): Room {
    const known = this.#rooms.get(roomId);
    if (known !== undefined) return known;
    const room: Room = { members: null, visibility: null, checked: false, version: 0 };
    this.#rooms.set(roomId, room);
    return room;
  }

  /** The content of the room's `m.room.encryption`, asked for once a run; undefined when that was done, null when there is none. */
  async encryption(roomId: string): Promise<JsonObject | null | undefined> {
    const room = this.#room(roomId);
    if (room.checked) return undefined;
    return this.#client.getState(roomId, "m.room.encryption", "");
  }

  checked(roomId: string): void {
    this.#room(roomId).checked = true;
  }

  /** Rejects with a `MatrixError`. */
  async of(roomId: string): Promise<RoomMembers> {
    const room = this.#room(roomId);
    while (room.members === null || room.visibility === null) await this.#fetch(roomId, room);
    const readers = room.visibility === "joined" ? ["join"] : ["join", "invite"];
    const members = [...room.members].filter(([, membership]) => readers.includes(membership));
    return {
      members: members.map(([userId]) => userId),
      sharedHistory: room.visibility === "shared" || room.visibility === "world_readable",
    };
  }

  async #fetch(roomId: string, room: Room): Promise<void> {
    const { version } = room;
    const visibility = await this.#client.getState(roomId, "m.room.history_visibility", "");
    const body = await this.#client.request("GET", pathOf("/_matrix/client/v3/rooms", roomId, "members"));
    const chunk = field(body, "chunk");
    if (!Array.isArray(chunk))
      throw new MatrixError("unavailable", "members: the server's answer has no list");
    // What the sync brought meanwhile may be newer than this answer: ask again.
    if (room.version !== version) return;
    room.members = new Map(
      asList(chunk).flatMap((event): [string, string][] => {
        const userId = asString(field(asObject(event) ?? {}, "state_key"));
        const content = asObject(field(asObject(event) ?? {}, "content")) ?? {};
        return userId === null ? [] : [[userId, membershipOf(content)]];
      }),
    );
    room.visibility = asString(field(visibility ?? {}, "history_visibility")) ?? VISIBILITY_DEFAULT;
  }

  /** What a sync brought. Taken at once, also where its transaction fails in the end: it is what the server says. */
  apply(batch: SyncBatch): MembershipChange {
    const left = new Set<string>();
    const changed = new Set<string>();
    for (const [roomId, { state, timeline, truncated }] of batch.joined) {
      const room = this.#room(roomId);
      const gap = truncated || timeline.some(({ provenance }) => provenance === "gap");
      const events = [...timeline.map(({ event }) => event), ...state];
      const touched = events.filter((event) => this.#take(room, event, () => left.add(roomId))).length > 0;
      if (gap) room.members = null;
      // Who left and came back in what was lost is not seen: as if somebody had left.
      if (truncated) left.add(roomId);
      if (!gap && !touched) continue;
      room.version += 1;
      changed.add(roomId);
    }
    for (const roomId of batch.left) this.#rooms.delete(roomId);
    return { left, changed };
  }

  #take(room: Room, { content, stateKey, type }: RoomEvent, leaves: () => void): boolean {
    if (stateKey === undefined) return false;
    if (type === "m.room.history_visibility") {
      room.visibility = asString(field(content, "history_visibility")) ?? VISIBILITY_DEFAULT;
      return true;
    }
    if (type !== "m.room.member") return type === "m.room.encryption";
    const membership = membershipOf(content);
    const before = room.members?.get(stateKey);
    const reads = membership === "join" || membership === "invite";
    if (!reads && before !== membership) leaves();
    room.members?.set(stateKey, membership);
    return before !== membership;
  }
}
