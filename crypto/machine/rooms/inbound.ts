// The sessions that we read with. Every key that comes in, however it comes, passes through here, so that nobody who waits for one misses it:
// events that could not be read, the key backup, an export. And here is the one rule of which key replaces which:
//
//   nothing is known         the new one
//   another ratchet          the maker's, where what is known came from elsewhere; anything else is refused
//   the same ratchet         the earlier beginning; whose it is stays as it was, unless its maker sends it now
import { CryptoError } from "../../errors.ts";
import { MegolmInboundSession } from "../../megolm/inbound.ts";
import { markForBackup } from "../backup/upload.ts";
import type { Context } from "../context.ts";
import { keyArrived } from "../forwarding/ask.ts";
import type { InboundRow } from "../store/store.ts";

export interface RoomKey {
  readonly roomId: string;
  readonly sessionId: string;
}

/** `better`: known, but now readable from an earlier message on. `known`: nothing new. */
export type Taken = "new" | "better" | "known";

/** Takes a key that came, by the rule above. @throws CryptoError PROTOCOL where it stands against what is known, or its ID is not its key's */
export function takeInbound(context: Context, key: RoomKey, fresh: InboundRow): Taken {
  const theirs = new MegolmInboundSession(context.provider, fresh.state);
  if (theirs.sessionId !== key.sessionId) {
    throw new CryptoError("PROTOCOL", "room key: its ID is not its key's");
  }
  const known = context.rows.get("inbound", key.roomId, key.sessionId);
  if (known === null) {
    keepInbound(context, key, fresh);
    return "new";
  }
  const proven = fresh.owner !== null;
  if (proven && known.owner !== null && !sameMaker(known, fresh)) {
    throw new CryptoError("PROTOCOL", "room key: the session is known as another device's");
  }
  const ours = new MegolmInboundSession(context.provider, known.state);
  const ordering = ours.compare(theirs);
  if (ordering === "unconnected") {
    // What came from elsewhere proved nothing; what its maker sends does.
    if (known.owner !== null || !proven) {
      throw new CryptoError("PROTOCOL", "room key: it stands against the one that is known");
    }
    keepInbound(context, key, fresh);
    return "better";
  }
  const better = ordering === "worse";
  if (!better && (!proven || known.owner !== null)) return "known";
  // The earlier ratchet leads to the very one that is known: who vouches for the one vouches for the other.
  const state = (ours.merge(theirs) ?? ours).exportState();
  keepInbound(context, key, { ...(proven ? fresh : known), state });
  return better ? "better" : "known";
}

function sameMaker(a: InboundRow, b: InboundRow): boolean {
  return a.owner === b.owner && a.curve25519 === b.curve25519;
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
  keyArrived(context, { roomId, sessionId });
  context.nowReadable({ roomId, sessionId });
}
