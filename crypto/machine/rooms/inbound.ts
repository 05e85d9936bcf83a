// The sessions that we read with. Every key that comes in, however it comes, passes through here, so that nobody who waits for one misses it:
// events that could not be read, the key backup, an export.
import { CryptoError } from "../../errors.ts";
import type { ExportedSession } from "../../exported-session.ts";
import { MegolmInboundSession } from "../../megolm/inbound.ts";
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import type { Context } from "../context.ts";
import type { InboundOrigin, InboundRow } from "../store/store.ts";

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
  context.nowReadable({ roomId, sessionId });
}

/** Where a session came from that its maker did not send us. */
export interface ImportSource {
  readonly origin: Exclude<InboundOrigin, "device">;
  /** The user that passed it on; null for a file or a backup. */
  readonly forwardedBy: string | null;
}

/** `better`: known, but now readable from an earlier message on. `known`: nothing new. */
export type Imported = "new" | "better" | "known";

/**
 * Takes a session out of a file, a backup, a forwarded key, a history bundle. None of these proves whose it is: it never replaces what is known,
 * and gives a known session an earlier beginning only where it leads to the same ratchet.
 * @throws CryptoError UNSUPPORTED, BASE64, VERSION, FORMAT, SMALL_ORDER; PROTOCOL where it stands against what is known, or its ID is not its key's
 */
export function importSession(context: Context, session: ExportedSession, source: ImportSource): Imported {
  const { roomId, sessionId } = session;
  if (session.algorithm !== MEGOLM_ALGORITHM) {
    throw new CryptoError("UNSUPPORTED", `room key: of another algorithm than ${MEGOLM_ALGORITHM}`);
  }
  const opened = MegolmInboundSession.fromExport(context.provider, session.sessionKey);
  if (opened.sessionId !== sessionId) throw new CryptoError("PROTOCOL", "room key: its ID is not its key's");
  const known = context.rows.get("inbound", roomId, sessionId);
  if (known !== null) return improve(context, session, known, opened);
  keepInbound(context, session, {
    state: opened.exportState(),
    owner: null,
    curve25519: session.senderKey,
    ed25519: session.senderClaimedKeys["ed25519"] ?? "",
    sharedHistory: session.sharedHistory,
    ...source,
  });
  return "new";
}

function improve(context: Context, key: RoomKey, known: InboundRow, opened: MegolmInboundSession): Imported {
  const ours = new MegolmInboundSession(context.provider, known.state);
  const ordering = ours.compare(opened);
  if (ordering === "unconnected") {
    throw new CryptoError("PROTOCOL", "room key: it stands against the one that is known");
  }
  const both = ordering === "worse" ? ours.merge(opened) : null;
  if (both === null) return "known";
  // Whose session it is stays as it was proven: the earlier ratchet leads to the very one that its maker sent.
  keepInbound(context, key, { ...known, state: both.exportState() });
  return "better";
}
