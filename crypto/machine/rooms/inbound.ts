// The sessions that we read with. Every key that comes in, however it comes, passes through here, so that nobody who waits for one misses it:
// events that could not be read, the key backup, an export.
import { markForBackup } from "../backup/upload.ts";
import type { Context } from "../context.ts";
import type { InboundRow } from "../store/store.ts";

export interface RoomKey {
  readonly roomId: string;
  readonly sessionId: string;
}

/** Keeps a session that is new, or that can be read from an earlier index on than before. */
export function keepInbound(context: Context, { roomId, sessionId }: RoomKey, row: InboundRow): void {
  context.rows.put("inbound", roomId, sessionId, row);
  if (context.rows.get("keyed", "", roomId) === null) {
    context.rows.put("keyed", "", roomId, { sinceMs: context.nowMs });
  }
  // A key that comes after all is worth more than the word that it would not.
  if (context.rows.get("withheld", roomId, sessionId) !== null) {
    context.rows.delete("withheld", roomId, sessionId);
  }
  markForBackup(context, roomId, sessionId);
  context.nowReadable({ roomId, sessionId });
}
