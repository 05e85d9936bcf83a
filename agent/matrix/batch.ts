// From one answer of /sync to what is handed on: gaps filled, events seen before left out, and each event's provenance told.
import { isJoinOf } from "./events.ts";
import { type Filled, fillGap, type GapContext } from "./gap.ts";
import { GAP_TRIES_MAX } from "./limits.ts";
import type { Seen } from "./seen.ts";
import type { RoomAnswer, SyncAnswer } from "./sync-answer.ts";
import {
  type JoinedRoom,
  MatrixError,
  type Provenance,
  type RoomEvent,
  type SyncBatch,
  type TimelineEvent,
} from "./types.ts";

export interface BatchContext extends Omit<GapContext, "seen" | "roomIsKnown"> {
  readonly userId: string;
  readonly seen: Seen;
  /** How many tries of this position have failed, this one included. */
  readonly attempt: number;
}

export interface Built {
  readonly batch: SyncBatch;
  /** Events that the server had given before; many at once are a replayed position. */
  readonly repeated: number;
}

interface BuiltRoom {
  readonly room: JoinedRoom;
  readonly repeated: number;
}

const NOTHING: Filled = { events: [], truncated: false };

// What to fetch. Nothing where the oldest event was seen before: all that lies before it was, too.
const gapOf = async (
  context: BatchContext,
  roomId: string,
  answer: RoomAnswer,
  since: string | null,
): Promise<Filled> => {
  const oldest = answer.timeline[0];
  const joinsTheKnown = oldest !== undefined && context.seen.has(roomId, oldest.eventId);
  const roomIsKnown = context.seen.knows(roomId);
  // Without a position, a room that we never saw has history before its timeline, not a gap.
  if (!answer.limited || joinsTheKnown || (since === null && !roomIsKnown)) return NOTHING;
  if (answer.prevBatch === null) return { events: [], truncated: true };
  const seen = (eventId: string): boolean => context.seen.has(roomId, eventId);
  return fillGap({ ...context, roomIsKnown, seen }, { roomId, from: answer.prevBatch, to: since });
};

// A server that cannot show this room (Dendrite: 500 after leaving) must not hold up all the others for ever.
const gapOrGiveUp = async (
  context: BatchContext,
  roomId: string,
  answer: RoomAnswer,
  since: string | null,
): Promise<Filled> => {
  try {
    return await gapOf(context, roomId, answer, since);
  } catch (error) {
    const hopeless =
      error instanceof MatrixError && error.kind === "unavailable" && context.attempt >= GAP_TRIES_MAX;
    if (!hopeless) throw error;
    return { events: [], truncated: true };
  }
};

/** Those not handed on before, each once. */
const freshOnes = (events: readonly RoomEvent[], roomId: string, seen: Seen): readonly RoomEvent[] => {
  const here = new Set<string>();
  return events.filter((event) => {
    if (here.has(event.eventId) || seen.has(roomId, event.eventId)) return false;
    here.add(event.eventId);
    return true;
  });
};

const provenanceOfTimeline = (
  context: BatchContext,
  roomId: string,
  since: string | null,
  repeated: number,
): Provenance => {
  if (since !== null) return repeated > 0 ? "gap" : "live";
  return context.seen.knows(roomId) ? "gap" : "initial";
};

// What lies before our own join is history that came with the room.
const withHistory = (events: readonly TimelineEvent[], userId: string): readonly TimelineEvent[] => {
  const joinedAt = events.findLastIndex(({ event }) => isJoinOf(event, userId));
  return events.map((entry, index) => (index < joinedAt ? { ...entry, provenance: "initial" } : entry));
};

const buildRoom = async (
  context: BatchContext,
  roomId: string,
  answer: RoomAnswer,
  since: string | null,
): Promise<BuiltRoom> => {
  const gap = await gapOrGiveUp(context, roomId, answer, since);
  const repeated = answer.timeline.filter((event) => context.seen.has(roomId, event.eventId)).length;
  const provenance = provenanceOfTimeline(context, roomId, since, repeated);
  const inTimeline = new Set(answer.timeline.map((event) => event.eventId));
  const merged = freshOnes([...gap.events, ...answer.timeline], roomId, context.seen);
  const timeline = merged.map(
    (event): TimelineEvent => ({ event, provenance: inTimeline.has(event.eventId) ? provenance : "gap" }),
  );
  return {
    repeated,
    room: {
      timeline: since === null ? timeline : withHistory(timeline, context.userId),
      state: answer.state,
      truncated: gap.truncated,
    },
  };
};

/** `since`: the position that was asked from. Rejects when a gap cannot be filled now; nothing has happened then. */
export const buildBatch = async (
  context: BatchContext,
  answer: SyncAnswer,
  since: string | null,
): Promise<Built> => {
  const joined = new Map<string, JoinedRoom>();
  let repeated = 0;
  for (const [roomId, room] of answer.joined) {
    const built = await buildRoom(context, roomId, room, since);
    joined.set(roomId, built.room);
    repeated += built.repeated;
  }
  return { batch: { ...answer, initial: since === null, joined }, repeated };
};
