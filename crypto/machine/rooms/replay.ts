// Replay detection (Client-Server API, "m.megolm.v1.aes-sha2": a message index must not serve two events). An index belongs to an event ID and its
// timestamp, per room and session, without the sender key. What is remembered is bounded twice, and forgetting never lets a replay through:
// below a session's floor nothing can be told apart any more, and is refused.
//
//   rows "replay"   one for each index, in blocks of 1,024; at most ten blocks of a session, the oldest goes
//   row "indexes"   of a session: its blocks, its floor, the day of its last new event
//   rows "idle"     sessions by that day: what saw no new event for two months is forgotten, block by block
import type { Context } from "../context.ts";
import {
  DAY_MS,
  IDLE_DAYS_PER_CALL,
  REPLAY_BLOCK_INDEXES,
  REPLAY_BLOCKS_MAX,
  REPLAY_KEPT_DAYS,
  REQUEST_NUMBER_DIGITS,
} from "../limits.ts";
import type { IndexesRow } from "../store/store.ts";

export interface UsedIndex {
  readonly roomId: string;
  readonly sessionId: string;
  readonly index: number;
  readonly eventId: string;
  readonly originServerTs: number;
}

const NO_INDEXES: IndexesRow = { blocks: [], floor: 0, day: -1 };

/** Null: the index is this event's, and is remembered. */
export function claimIndex(context: Context, used: UsedIndex): "replay" | "replay-unknown" | null {
  const { roomId, sessionId, index, eventId, originServerTs } = used;
  const block = Math.floor(index / REPLAY_BLOCK_INDEXES);
  const before = context.rows.get("replay", groupOf(roomId, sessionId, block), nameOf(index));
  if (before !== null) {
    return before.eventId === eventId && before.originServerTs === originServerTs ? null : "replay";
  }
  const known = context.rows.get("indexes", roomId, sessionId) ?? NO_INDEXES;
  if (index < known.floor) return "replay-unknown";
  const next = touched(context, used, withBlock(context, used, known, block));
  // The block that was given up may be the index's own.
  if (index < next.floor) return "replay-unknown";
  context.rows.put("replay", groupOf(roomId, sessionId, block), nameOf(index), { eventId, originServerTs });
  return null;
}

function withBlock(context: Context, used: UsedIndex, known: IndexesRow, block: number): IndexesRow {
  if (known.blocks.includes(block)) return known;
  const blocks = [...known.blocks, block].sort((a, b) => a - b);
  const [oldest] = blocks;
  if (blocks.length <= REPLAY_BLOCKS_MAX || oldest === undefined) return { ...known, blocks };
  const floor = Math.max(known.floor, (oldest + 1) * REPLAY_BLOCK_INDEXES);
  dropBlock(context, used, oldest);
  return { ...known, blocks: blocks.slice(1), floor };
}

/** Moves the session to today's idle list, and writes its row where anything changed. */
function touched(context: Context, { roomId, sessionId }: UsedIndex, next: IndexesRow): IndexesRow {
  const day = Math.max(dayOf(context), firstDay(context));
  const name = JSON.stringify([roomId, sessionId]);
  if (next.day !== day) {
    if (next.day >= 0) context.rows.delete("idle", String(next.day), name);
    context.rows.put("idle", String(day), name, { day });
  }
  const row = { ...next, day };
  const known = context.rows.get("indexes", roomId, sessionId);
  if (known === null || known.day !== day || known.blocks !== next.blocks) {
    context.rows.put("indexes", roomId, sessionId, row);
  }
  return row;
}

/** Forgets one block of one session that saw nothing new for long; called with every outgoingRequests. */
export function forgetReplays(context: Context): void {
  const until = dayOf(context) - REPLAY_KEPT_DAYS;
  let day = firstDay(context);
  for (let looked = 0; day < until && looked < IDLE_DAYS_PER_CALL; looked += 1) {
    const [entry] = context.rows.list("idle", String(day), { after: null, limit: 1 });
    if (entry !== undefined) {
      forgetBlock(context, day, entry.item);
      break;
    }
    day += 1;
  }
  if (day !== firstDay(context)) context.rows.put("counter", "", "idle.day", { next: day });
}

function forgetBlock(context: Context, day: number, name: string): void {
  // The name is our own text: a pair of strings.
  const [roomId, sessionId] = JSON.parse(name) as [string, string];
  const known = context.rows.get("indexes", roomId, sessionId);
  const [oldest, ...blocks] = known?.blocks ?? [];
  if (known === null || oldest === undefined) {
    context.rows.delete("idle", String(day), name);
    return;
  }
  const last = dropBlock(context, { roomId, sessionId }, oldest);
  context.rows.put("indexes", roomId, sessionId, {
    ...known,
    blocks,
    floor: Math.max(known.floor, last + 1),
  });
}

/** The last index that the block held. */
function dropBlock(
  context: Context,
  { roomId, sessionId }: Pick<UsedIndex, "roomId" | "sessionId">,
  block: number,
): number {
  const group = groupOf(roomId, sessionId, block);
  const items = context.rows.list("replay", group).map(({ item }) => item);
  for (const item of items) context.rows.delete("replay", group, item);
  return Number(items.at(-1) ?? 0);
}

function dayOf({ nowMs }: Context): number {
  return Math.floor(nowMs / DAY_MS);
}

/** The oldest day whose list may hold something. The first time there is none before today. */
function firstDay(context: Context): number {
  const first = context.rows.get("counter", "", "idle.day")?.next;
  if (first !== undefined) return first;
  context.rows.put("counter", "", "idle.day", { next: dayOf(context) });
  return dayOf(context);
}

const groupOf = (roomId: string, sessionId: string, block: number): string =>
  JSON.stringify([roomId, sessionId, block]);

function nameOf(index: number): string {
  return String(index).padStart(REQUEST_NUMBER_DIGITS, "0");
}
